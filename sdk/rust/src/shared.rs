//! Data that the instances of this machine share, as long as the host runs. For what is
//! to last, see [`store`](crate::store).

use crate::abi::status;
use crate::{host, Error, Result};

/// Returns a value and its version, if there is one.
pub fn get(key: &str) -> Result<Option<(Vec<u8>, u32)>> {
    match host::shared(key) {
        Ok(found) => Ok(Some(found)),
        Err(status::NOT_FOUND) => Ok(None),
        Err(st) => Err(Error::status("read shared data", st, "")),
    }
}

/// Sets a value, whatever there is.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<()> {
    swap(key, value, 0)
}

/// Sets a value if there is none, or it has the version that it was read with. If not, the
/// error is of kind [`Kind::Conflict`](crate::Kind::Conflict).
pub fn swap(key: &str, value: impl AsRef<[u8]>, version: u32) -> Result<()> {
    host::set_shared(key, value.as_ref(), version).map_err(|st| Error::status("write shared data", st, ""))
}
