//! Store, passwords and keys: in memory, and nothing that keeps a secret.

use super::functions::SOON;
use super::host::Inner;
use super::state::Kept;
use crate::abi::{call, status, wanted};
use crate::codec::{Fields, Reading};
use crate::host::Answer;

/// What an answer to a token says.
type Said = (u32, Fields);

impl Inner {
    /// Calls a service.
    pub(super) fn serve(&self, name: &str, a: &mut Reading) -> Option<Answer<Fields>> {
        if name == call::RANDOM {
            return self.random(a);
        }
        let (st, fields) = match name {
            call::STORE_GET | call::STORE_PUT | call::STORE_DELETE | call::STORE_LIST => {
                let space = a.text()?;
                if !space.is_empty() && !self.state.borrow().spaces.contains(&space) {
                    denied(&["store: [", &space, "]"].concat())
                } else {
                    self.stored(name, space, a)?
                }
            }
            call::PASSWORD_HASH => (status::OK, Fields::default().bytes(hash(&a.text()?).as_bytes())),
            call::PASSWORD_VERIFY => {
                let (there, password) = (a.text()?, a.text()?);
                let right = there == hash(&password) || there == password;
                (status::OK, Fields::default().number(u64::from(right)).number(u64::from(there == password)))
            }
            call::SIGN => {
                let (key, message) = (a.text()?, a.bytes()?.to_vec());
                match self.signed(&key, &message) {
                    Some(signature) => (status::OK, Fields::default().bytes(&signature).bytes(b"HS256")),
                    None => denied(&["keys: ", &key].concat()),
                }
            }
            call::VERIFY => {
                let (key, message) = (a.text()?, a.bytes()?.to_vec());
                let signature = a.bytes()?.to_vec();
                match self.signed(&key, &message) {
                    Some(right) => (status::OK, Fields::default().number(u64::from(right == signature))),
                    None => denied(&["keys: ", &key].concat()),
                }
            }
            _ => return Some(Err(status::NOT_FOUND)),
        };
        let token = self.token();
        self.state.borrow_mut().answer(SOON, token, st, fields);
        Some(Ok(Fields::default().number(token)))
    }

    fn random(&self, a: &mut Reading) -> Option<Answer<Fields>> {
        let n = a.number()?;
        if n == 0 || n > 65_536 {
            return None;
        }
        let mut s = self.state.borrow_mut();
        let bytes: Vec<u8> = (0..n).map(|_| s.random.number() as u8).collect();
        Some(Ok(Fields::default().bytes(&bytes)))
    }

    /// Not a signature, but another one for each key and message.
    fn signed(&self, key: &str, message: &[u8]) -> Option<Vec<u8>> {
        if !self.state.borrow().keys.contains(key) {
            return None;
        }
        let mut n: u64 = 0xcbf2_9ce4_8422_2325;
        for b in key.bytes().chain([0]).chain(message.iter().copied()) {
            n = (n ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
        }
        Some(n.to_le_bytes().repeat(4))
    }

    fn stored(&self, name: &str, space: String, a: &mut Reading) -> Option<Said> {
        let key = a.text()?;
        let mut s = self.state.borrow_mut();
        let clock = s.clock;
        s.store.retain(|_, kept| kept.until > clock);
        if name == call::STORE_LIST {
            let (after, most) = (a.text()?, a.number()? as usize);
            let its = |k: &&(String, String)| k.0 == space && k.1.starts_with(&key) && k.1 > after;
            let keys: Vec<_> = s.store.keys().filter(its).take(most).cloned().collect();
            let add = |fields: Fields, k: &(String, String)| {
                let kept = &s.store[k];
                fields.bytes(k.1.as_bytes()).bytes(&kept.value).number(kept.version)
            };
            return Some((status::OK, keys.iter().fold(Fields::default(), add)));
        }
        if key.is_empty() || key.len() > 512 || key.chars().any(char::is_control) {
            return Some((status::BAD_ARGUMENT, Fields::default()));
        }
        let at = (space, key);
        let there = s.store.get(&at).map(|kept| kept.version);
        let fits = |version| version == wanted::ANY || version == there.unwrap_or(wanted::ABSENT);
        match name {
            call::STORE_GET => Some(match s.store.get(&at) {
                Some(kept) => (status::OK, Fields::default().bytes(&kept.value).number(kept.version)),
                None => (status::NOT_FOUND, Fields::default()),
            }),
            call::STORE_PUT => {
                let value = a.bytes()?.to_vec();
                let (milliseconds, version) = (a.number()?, a.number()?);
                if !fits(version) {
                    return Some((status::CAS_MISMATCH, Fields::default()));
                }
                let lives = milliseconds.saturating_mul(1_000_000);
                let until = if lives == 0 { u64::MAX } else { clock.saturating_add(lives) };
                let version = s.fresh();
                s.store.insert(at, Kept { value, version, until });
                Some((status::OK, Fields::default().number(version)))
            }
            _ => {
                if !fits(a.number()?) {
                    return Some((status::CAS_MISMATCH, Fields::default()));
                }
                s.store.remove(&at);
                Some((status::OK, Fields::default()))
            }
        }
    }
}

fn hash(password: &str) -> String {
    ["$test$", password].concat()
}

fn denied(grant: &str) -> Said {
    (status::DENIED, Fields::default().bytes(["grants: {", grant, "}"].concat().as_bytes()))
}
