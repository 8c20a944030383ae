//! The coherence bus: what makes the caches of several hosts agree.
//!
//! * [`wire`]: what travels, and how it is checked.
//! * [`core`]: agent and broker as state machines without input or output; the simulator and the
//!   sockets drive the same code.
#![cfg_attr(feature = "transport", doc = "* [`transport`]: the sockets.")]
#![cfg_attr(
    feature = "transport",
    doc = "* [`runtime`]: agents and brokers at work, the former with the latter."
)]
//!
//! Nothing here knows what a segment is: the agent sees its host through [`core::Host`].

#![forbid(unsafe_code)]

pub mod core;
#[cfg(feature = "transport")]
pub mod runtime;
#[cfg(feature = "transport")]
pub mod transport;
pub mod wire;
