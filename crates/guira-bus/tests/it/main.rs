//! What the bus promises, over real sockets.
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "what fails here is the test"))]

mod broker;
mod library;
mod place;
mod transport;
