use crate::abi::call;
use crate::codec::Fields;
use crate::runtime::wait::{ask, foreign, missing};
use crate::Result;

/// Random bytes, fit for secrets: 1 to 65,536. On weir alone.
pub fn random(length: usize) -> Result<Vec<u8>> {
    let bytes = crate::codec::Reading::new(foreign(call::RANDOM, Fields::default().number(length as u64))?)
        .bytes()
        .map(<[u8]>::to_vec);
    match bytes {
        Some(bytes) if bytes.len() == length => Ok(bytes),
        _ => Err(missing(call::RANDOM)),
    }
}

/// Passwords, of which only a hash is kept. On weir alone.
pub mod password {
    use super::*;

    /// Whether a password is right.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Verified {
        /// It is.
        pub right: bool,
        /// Its hash is made in a way that is no longer up to date: hash it anew.
        pub renew: bool,
    }

    /// Makes a hash of a password, as text (argon2id).
    pub async fn hash(password: &str) -> Result<String> {
        let mut answer = ask(call::PASSWORD_HASH, Fields::default().bytes(password.as_bytes())).await?;
        answer.text().ok_or_else(|| missing(call::PASSWORD_HASH))
    }

    /// Compares a password with the hash of one.
    pub async fn verify(hash: &str, password: &str) -> Result<Verified> {
        let fields = Fields::default().bytes(hash.as_bytes()).bytes(password.as_bytes());
        let mut answer = ask(call::PASSWORD_VERIFY, fields).await?;
        match (answer.number(), answer.number()) {
            (Some(right), Some(renew)) => Ok(Verified { right: right == 1, renew: renew == 1 }),
            _ => Err(missing(call::PASSWORD_VERIFY)),
        }
    }
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How it was made: `HS256` or `EdDSA`.
    pub algorithm: String,
}

/// Signs a message with a key that the plugin has been granted by its name. On weir alone.
pub async fn sign(key: &str, message: impl AsRef<[u8]>) -> Result<Signature> {
    let fields = Fields::default().bytes(key.as_bytes()).bytes(message.as_ref());
    let mut answer = ask(call::SIGN, fields).await?;
    let bytes = answer.bytes().map(<[u8]>::to_vec);
    match (bytes, answer.text()) {
        (Some(bytes), Some(algorithm)) => Ok(Signature { bytes, algorithm }),
        _ => Err(missing(call::SIGN)),
    }
}

/// Whether a message was signed with a key. On weir alone.
pub async fn verify(key: &str, message: impl AsRef<[u8]>, signature: impl AsRef<[u8]>) -> Result<bool> {
    let fields = Fields::default().bytes(key.as_bytes()).bytes(message.as_ref()).bytes(signature.as_ref());
    let mut answer = ask(call::VERIFY, fields).await?;
    answer.number().map(|right| right == 1).ok_or_else(|| missing(call::VERIFY))
}
