#![doc = include_str!("../README.md")]
#![warn(missing_docs, rust_2018_idioms)]

#[allow(dead_code, missing_docs)]
mod abi;
mod body;
mod codec;
mod config;
mod error;
#[cfg(target_arch = "wasm32")]
mod exports;
mod fetch;
mod filter;
mod header;
mod host;
mod json;
pub mod log;
pub mod metrics;
mod property;
mod request;
mod response;
mod runtime;
mod secret;
pub mod shared;
mod sse;
pub mod store;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
mod time;

pub use body::{Reader, Writer};
pub use config::Config;
pub use error::{Error, Kind, Result};
pub use fetch::{fetch, Answer, Call};
pub use filter::{with, Filter, Task};
pub use header::{Header, Value};
pub use property::{property, property_int, property_text, set_property};
pub use request::{Next, Request};
pub use response::{redirect, reply, Response};
pub use secret::{password, random, sign, verify, Signature};
pub use sse::{Event, Events};
pub use time::{both, every, now, sleep, spawn, timeout};

#[doc(hidden)]
pub use filter::{__start, Entry};
