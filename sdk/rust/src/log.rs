//! Lines for the host's log.

use crate::abi::level;
use crate::host;

/// For whoever looks for a mistake.
pub fn debug(text: &str) {
    host::log(level::DEBUG, text);
}

/// What is worth knowing.
pub fn info(text: &str) {
    host::log(level::INFO, text);
}

/// What somebody should look at.
pub fn warn(text: &str) {
    host::log(level::WARN, text);
}

/// What does not work.
pub fn error(text: &str) {
    host::log(level::ERROR, text);
}

/// Before the end.
#[cfg(target_arch = "wasm32")]
pub(crate) fn critical(text: &str) {
    host::log(level::CRITICAL, text);
}
