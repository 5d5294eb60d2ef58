use crate::abi::status;
use crate::codec::cat;
use std::fmt;

/// What functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something did not work. Every other error becomes one by `?`.
pub struct Error {
    kind: Kind,
    text: String,
}

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The host has no such function: it is not weir.
    Unsupported,
    /// There is nothing of that name.
    NotFound,
    /// The host could make nothing of what it was given, or not at this moment.
    BadArgument,
    /// The plugin has not been granted it; the text says what to grant.
    Denied,
    /// The entry of the store has another version than was wanted.
    Conflict,
    /// A connection failed, or broke off.
    Broken,
    /// It was longer, or took longer, than was wanted.
    Limit,
    /// Something else, and all errors of others.
    Other,
}

impl Error {
    /// An error of the filter's own.
    pub fn new(text: impl Into<String>) -> Error {
        Error { kind: Kind::Other, text: text.into() }
    }

    pub(crate) fn of(kind: Kind, text: impl Into<String>) -> Error {
        Error { kind, text: text.into() }
    }

    /// What a host function that was to do something has failed with.
    pub(crate) fn status(what: &str, code: u32, message: &str) -> Error {
        let (kind, text) = match code {
            status::NOT_FOUND => (Kind::NotFound, "not found"),
            status::BAD_ARGUMENT => (Kind::BadArgument, "refused"),
            status::CAS_MISMATCH => (Kind::Conflict, "it has changed"),
            status::BROKEN_CONNECTION => (Kind::Broken, "broken connection"),
            status::UNIMPLEMENTED => (Kind::Unsupported, "not supported here"),
            status::DENIED => (Kind::Denied, "not granted"),
            _ => (Kind::Other, "failed"),
        };
        let text = if message.is_empty() { text } else { message };
        Error { kind, text: cat(&[what, ": ", text]) }
    }

    pub(crate) fn unsupported(what: &str) -> Error {
        Error::status(what, status::UNIMPLEMENTED, "")
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// Error is no std::error::Error itself, so that every one of those can become one.
impl<E: std::error::Error> From<E> for Error {
    fn from(e: E) -> Error {
        Error::new(e.to_string())
    }
}
