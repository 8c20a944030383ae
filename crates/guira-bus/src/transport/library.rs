//! Which libzmq is linked, for reports.

/// Its version: major, minor, patch.
#[must_use]
pub fn library_version() -> (u32, u32, u32) {
    let (major, minor, patch) = zmq::version();
    let part = |number: i32| u32::try_from(number).unwrap_or(0);
    (part(major), part(minor), part(patch))
}

/// Whether it can encrypt; without, no broker serves other machines.
#[must_use]
pub fn has_curve() -> bool {
    zmq::has("curve") == Some(true)
}
