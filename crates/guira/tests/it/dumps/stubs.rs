//! Values that lie outside the segment, in which only a stub is.

use std::io::{self, Read};

use guira::dump::{Dump, Resolved, Stubs};
use guira_segment::Expiry;

use super::{dump_with, load, read, segment};

/// Values that begin with `@` stand for as many bytes as they say; `@gone` and `@broken` for trouble.
struct Files;

/// A file that cannot be read to its end.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.min(buffer.len());
        self.0 -= bytes;
        buffer[..bytes].fill(1);
        if bytes == 0 {
            Err(io::Error::other("a bad sector"))
        } else {
            Ok(bytes)
        }
    }
}

impl Stubs for Files {
    fn resolve(&self, stored: &[u8]) -> io::Result<Resolved> {
        Ok(match stored.strip_prefix(b"@") {
            None => Resolved::Themselves,
            Some(b"gone") => Resolved::Gone,
            Some(b"broken") => Resolved::Bytes(Box::new(Broken(200_000))),
            Some(b"unreadable") => Resolved::Bytes(Box::new(Broken(0))),
            Some(b"locked") => return Err(io::Error::from(io::ErrorKind::PermissionDenied)),
            Some(count) => {
                let count = std::str::from_utf8(count)
                    .expect("text")
                    .parse()
                    .expect("a number");
                Resolved::Bytes(Box::new(io::repeat(5).take(count)))
            }
        })
    }
}

#[test]
fn stubs_are_replaced_by_what_they_stand_for() {
    let before = segment();
    for stub in [
        "@0",
        "@65535",
        "@65536",
        "@65537",
        "@3000000",
        "@gone",
        "@broken",
        "@unreadable",
        "plain",
    ] {
        before
            .put(stub.as_bytes(), stub.as_bytes(), Expiry::never())
            .expect("room");
    }
    let (dumped, bytes) = dump_with(Dump::new().stubs(&Files), &before);
    assert_eq!((dumped.entries, dumped.missing), (6, 3));
    assert_eq!(dumped.value_bytes, 65_535 + 65_536 + 65_537 + 3_000_000 + 5);
    let (entries, ended) = read(&bytes);
    ended.expect("it is whole");
    assert_eq!(entries.len(), 6);
    for (_, head, value) in &entries {
        match head.key.strip_prefix(b"@") {
            None => assert!(!head.was_spilled && value == b"plain"),
            Some(count) => {
                let count: usize = std::str::from_utf8(count)
                    .expect("text")
                    .parse()
                    .expect("a number");
                assert!(
                    head.was_spilled && *value == vec![5; count],
                    "{count}: {} bytes",
                    value.len()
                );
            }
        }
    }
    let after = segment();
    let loaded = load(&bytes, &after);
    // One was begun and is void; what could not be read at all is not in the dump.
    assert_eq!((loaded.entries + loaded.too_large, loaded.void), (6, 1));

    let (plain, bytes) = dump_with(Dump::new(), &before);
    assert_eq!((plain.entries, plain.missing), (9, 0));
    assert!(
        read(&bytes)
            .0
            .iter()
            .all(|(_, head, value)| head.key == *value && !head.was_spilled)
    );

    before.put(b"@locked", b"@locked", Expiry::never()).expect("room");
    let refused = Dump::new().stubs(&Files).write(&before, io::sink(), &mut |_| ());
    let error = refused.expect_err("it cannot be told whether it is there");
    assert!(error.to_string().contains("\"@locked\""), "{error}");
}
