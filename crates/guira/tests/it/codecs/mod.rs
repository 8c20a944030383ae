//! Codecs and transforms: what they keep, what they refuse, and that nothing is copied where that is promised.

mod formats;
mod in_place;
mod transforms;
