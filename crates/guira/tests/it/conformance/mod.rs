//! What every kind of cache does alike: the suites that clients of older libraries are held to.

mod deadlines;
mod operations;
