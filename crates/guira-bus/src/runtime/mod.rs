//! Agents and brokers at work: the state machines of [`core`](crate::core) with the sockets of
//! [`transport`](crate::transport), on the boot-time clock.

mod agent;
mod broker;
pub mod clock;
mod processor;

pub use agent::{Agent, AgentNews, AgentTally};
pub use broker::{Broker, BrokerConfig, BrokerHandle, BrokerReport, BrokerStopper, BrokerTally};
pub use processor::{ProcessorError, check_processor, keep_to_processor};
