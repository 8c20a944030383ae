//! The sockets of brokers and agents, in one process.

mod binding;
mod frames;
mod links;
mod pair;
mod partition;
mod queues;
mod security;
mod strangers;
