//! What the fuzz targets do with the bytes they are given. Whoever finds bytes on which one of these panics,
//! is ended or does not come back has found a bug; such bytes are kept in `tests/inputs`, one file each in
//! a folder of the target's name, and are tried by every test run.
//!
//! | target | bytes are |
//! |---|---|
//! | [`open`] | a file's first bytes, or changes of a good superblock, whose checksum is then mended |
//! | [`image`] | changes of a good image, then operations on it; at last it is checked and repaired |
//! | [`command`] | a command line of `guira`, an argument a line |
//! | [`trace`] | a compact trace, compressed or as it is before compression |
//! | [`wire`] | a frame of the bus, or a conversation with a broker or an agent |
//! | [`dump`] | a dump as it is, or its records, whose checks are then put in |
//!
//! Segments lie in private memory: a file for every execution would be slow.

mod command;
mod dump;
mod image;
mod open;
mod trace;
mod wire;
mod world;

pub use command::command;
pub use dump::dump;
pub use image::image;
pub use open::open;
pub use trace::trace;
pub use wire::wire;

/// What is done with some bytes.
pub type Target = fn(&[u8]);

/// The targets, by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("open", open),
    ("image", image),
    ("command", command),
    ("trace", trace),
    ("wire", wire),
    ("dump", dump),
];

/// Bytes that are eaten from the front.
#[derive(Clone, Copy, Debug)]
struct Input<'b>(&'b [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// A number of eight bytes.
    fn word(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(first))
    }

    /// A number of two bytes.
    fn short(&mut self) -> Option<u16> {
        let (&first, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_le_bytes(first))
    }
}
