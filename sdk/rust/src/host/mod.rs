//! The host's functions. Compiled to WebAssembly they are imports; elsewhere they go to
//! the host that a test has put in place.

#[cfg(target_arch = "wasm32")]
mod imports;
#[cfg(target_arch = "wasm32")]
pub(crate) use imports::*;

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;

/// What a host function has given, or its status.
pub(crate) type Answer<T> = std::result::Result<T, u32>;

/// More than any buffer has.
pub(crate) const MOST: u32 = 0x7fff_ffff;

/// Does what a status tells.
#[cfg(target_arch = "wasm32")]
pub(crate) fn check(status: u32) -> Answer<()> {
    if status == crate::abi::status::OK {
        Ok(())
    } else {
        Err(status)
    }
}
