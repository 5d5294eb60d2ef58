//! A host in memory, to test filters with `cargo test`: no WebAssembly, no network, and a
//! clock that goes on by itself where a filter waits.
//!
//! ```
//! use weir::{fetch, reply, test, Call, Next, Request, Response, Result};
//!
//! async fn gate(request: Request, next: Next) -> Result<Response> {
//!     match fetch("users", Call::get("/whoami")).await?.ok() {
//!         true => next.run(request).await,
//!         false => Ok(reply(401, "who are you?")),
//!     }
//! }
//!
//! let host = test::Host::new(gate).upstream("users", |_call| test::Answer::new(403));
//! let got = host.get("/notes").header("cookie", "a=1").send();
//! assert_eq!(got.status, 401);
//! assert!(got.upstream.is_none());
//! assert_eq!(host.calls()[0].path, "/whoami");
//! ```
//!
//! It panics over what a test does wrong, and over a filter that waits for nothing.

mod answer;
mod clock;
mod exchange;
mod flow;
mod foreign;
mod functions;
mod host;
mod random;
mod services;
mod state;

pub use answer::{Answer, Sent};
pub use exchange::{Ask, Exchange, Outcome};
pub use host::Host;
pub use random::Random;
