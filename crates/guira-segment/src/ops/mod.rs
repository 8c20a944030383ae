//! The operations, each over the same few steps: find, write, link, settle, kill.

pub(crate) mod derive;
pub(crate) mod evict;
pub(crate) mod expire;
pub(crate) mod find;
pub(crate) mod kill;
pub(crate) mod many;
pub(crate) mod only_twin;
pub(crate) mod read;
pub(crate) mod settle;
pub(crate) mod store;
