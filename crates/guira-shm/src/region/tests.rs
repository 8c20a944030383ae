use super::*;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

const REGION_BYTES: usize = 2048;
const GUARD: u8 = 0xa5;

/// Lengths around every change of method, and then some.
fn lengths() -> impl Iterator<Item = usize> {
    // Miri takes a second for each dozen.
    let (longest, others) = if cfg!(miri) {
        (19, &[257][..])
    } else {
        (300, &[511, 512, 513, 1000][..])
    };
    (0..=longest).chain(others.iter().copied())
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + 3) as u8).collect()
}

fn guarded_region() -> Region {
    let region = Region::heap(REGION_BYTES);
    region.copy_in(0, &[GUARD; REGION_BYTES]);
    region
}

fn all_of(region: &Region) -> Vec<u8> {
    let mut out = Vec::new();
    region.append_to(0, region.len(), &mut out);
    out
}

#[test]
fn a_run_is_written_whole_and_its_neighbours_are_left_alone() {
    for len in lengths() {
        for offset in [0, 1, 3, 8, 13, 16, 777] {
            let region = guarded_region();
            let mut expected = vec![GUARD; REGION_BYTES];
            expected[offset..offset + len].copy_from_slice(&pattern(len));
            region.copy_in(offset, &pattern(len));
            assert_eq!(all_of(&region), expected, "{len} bytes at {offset}");

            expected[offset..offset + len].fill(0);
            region.zero(offset, len);
            assert_eq!(all_of(&region), expected, "{len} zeroes at {offset}");
        }
    }
}

#[test]
fn a_run_is_read_whole_and_the_buffer_around_it_is_left_alone() {
    let region = Region::heap(REGION_BYTES);
    region.copy_in(0, &pattern(REGION_BYTES));
    for len in lengths() {
        for offset in [0, 1, 5, 8, 16, 1001] {
            let mut buffer = vec![MaybeUninit::new(GUARD); len + 32];
            region.copy_out(offset, &mut buffer[16..16 + len]);
            // SAFETY: every element was initialised above.
            let read: Vec<u8> = buffer.iter().map(|byte| unsafe { byte.assume_init() }).collect();
            assert_eq!(read[16..16 + len], pattern(REGION_BYTES)[offset..offset + len]);
            assert!(
                read[..16]
                    .iter()
                    .chain(&read[16 + len..])
                    .all(|&byte| byte == GUARD)
            );
        }
    }
}

#[test]
fn equality_notices_a_difference_in_any_byte() {
    let region = Region::heap(REGION_BYTES);
    for len in lengths() {
        let mut expected = pattern(len);
        region.copy_in(9, &expected);
        assert!(region.equals(9, &expected), "{len} bytes");
        for at in 0..len {
            expected[at] ^= 0x80;
            assert!(!region.equals(9, &expected), "byte {at} of {len}");
            expected[at] ^= 0x80;
        }
    }
}

#[test]
fn appending_keeps_what_was_there() {
    let region = Region::heap(64);
    region.copy_in(2, b"plums");
    let mut out = b"ripe ".to_vec();
    region.append_to(2, 5, &mut out);
    assert_eq!(out, b"ripe plums");
}

#[test]
fn words_and_halves_are_the_bytes_in_little_endian_order() {
    let region = Region::heap(64);
    region.write_u64(8, 0x0807_0605_0403_0201);
    assert!(region.equals(8, &[1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(region.read_u32(12), 0x0807_0605);
    region.write_u32(8, u32::MAX);
    assert_eq!(region.read_u64(8), 0x0807_0605_ffff_ffff);
    assert_eq!(region.word(8).load(Ordering::Relaxed), region.read_u64(8));
}

#[test]
fn a_view_shows_the_bytes_in_place() {
    let region = Region::heap(64);
    region.copy_in(3, b"plums");
    // SAFETY: nobody else knows this region.
    let view = unsafe { region.bytes(3, 5) };
    assert_eq!(view, b"plums");
}

#[test]
fn a_region_is_zeroed_aligned_and_whole_words_long() {
    let region = Region::heap(13);
    assert_eq!(region.len(), 16);
    assert!(region.equals(0, &[0; 16]));
    assert_eq!(region.start().addr() % REGION_ALIGN_BYTES, 0);
}

#[test]
fn every_access_outside_the_region_panics_and_changes_nothing() {
    let region = guarded_region();
    let end = REGION_BYTES;
    let word_at = |offset| region.word(offset).load(Ordering::Relaxed);
    let append = |offset, len| region.append_to(offset, len, &mut Vec::new());
    let outside: &[(&str, &dyn Fn())] = &[
        ("a word at the end", &|| assert_eq!(word_at(end), 0)),
        ("a word far away", &|| assert_eq!(word_at(1 << 60), 0)),
        ("an unaligned half", &|| assert_eq!(region.read_u32(2), 0)),
        ("a half at the end", &|| region.write_u32(end, 0)),
        ("a copy over the end", &|| region.copy_in(end - 3, b"plum")),
        ("a copy that wraps", &|| region.copy_in(usize::MAX, b"plum")),
        ("an append over the end", &|| append(end - 3, 4)),
        ("an append that wraps", &|| append(8, usize::MAX)),
        ("zeroes over the end", &|| region.zero(0, end + 1)),
        ("words over the end", &|| drop(region.hold_words::<2>(end - 8))),
        ("a crooked word held", &|| drop(region.hold_words::<1>(12))),
        ("a row over the end", &|| drop(region.hold_row(8, end / 8))),
        ("a row that wraps", &|| drop(region.hold_row(8, usize::MAX))),
        ("a crooked row", &|| drop(region.hold_row(12, 1))),
        ("lines over the end", &|| drop(region.hold_lines(0, end / 64 + 1))),
        ("crooked lines", &|| drop(region.hold_lines(8, 1))),
        ("a span over the end", &|| {
            black_box(region.span(end - 8, 9));
        }),
        ("a span that wraps", &|| {
            black_box(region.span(8, usize::MAX));
        }),
        ("a crooked span", &|| {
            black_box(region.span(12, 1));
        }),
    ];
    for (what, access) in outside {
        let cause = catch_unwind(AssertUnwindSafe(access)).expect_err(what);
        let message = cause.downcast_ref::<String>().expect("a message");
        assert!(message.contains("offset"), "{what}: {message}");
    }
    assert!(all_of(&region).iter().all(|&byte| byte == GUARD));
    region.copy_in(end, b"");
    region.prefetch(usize::MAX);
    region.prefetch_write(end);
}

#[test]
fn what_is_held_is_checked_at_each_access_and_outlives_the_region() {
    let region = Region::heap(4096);
    region.word(64 + 8).store(7 << 48, Ordering::Relaxed);
    let (row, lines) = (region.hold_row(64, 8), region.hold_lines(0, 2));
    let words = region.hold_words::<2>(64);
    let span = region.span(64, 20);
    assert_eq!(span.words::<2>()[1].load(Ordering::Relaxed), 7 << 48);
    let mut copy = Vec::new();
    span.append_to(13, 7, &mut copy);
    assert_eq!(copy, [0, 7, 0, 0, 0, 0, 0]);
    assert!(span.equals(14, &[7, 0]));
    let refused: [(&str, &dyn Fn()); 9] = [
        ("a word of the row", &|| {
            black_box(row.word(8).load(Ordering::Relaxed));
        }),
        ("a line", &|| {
            black_box(lines.line(2)[0].load(Ordering::Relaxed));
        }),
        ("a line to match", &|| {
            black_box(lines.match_high16(2, 0));
        }),
        ("the line of a word", &|| {
            black_box(lines.word(usize::MAX, 0).load(Ordering::Relaxed));
        }),
        ("a word of the line", &|| {
            black_box(lines.word(0, 8).load(Ordering::Relaxed));
        }),
        ("words of a span", &|| {
            black_box(span.words::<3>());
        }),
        ("bytes of a span", &|| {
            black_box(span.equals(19, b"ab"));
        }),
        ("bytes of a span that wrap", &|| {
            black_box(span.equals(usize::MAX, b"ab"));
        }),
        ("an append of a span", &|| span.append_to(0, 21, &mut Vec::new())),
    ];
    for (what, access) in refused {
        catch_unwind(AssertUnwindSafe(access)).expect_err(what);
    }
    lines.prefetch(usize::MAX);
    drop(region);
    assert_eq!(row.word(1).load(Ordering::Relaxed), 7 << 48);
    assert_eq!(lines.word(1, 1).load(Ordering::Relaxed), 7 << 48);
    assert_eq!(lines.match_high16(1, 7), 0b10);
    assert_eq!(words[1].load(Ordering::Relaxed), 7 << 48);
}

#[test]
fn threads_that_follow_a_seqlock_never_accept_a_torn_run() {
    // Piece by piece, and by the C library's copy.
    for run_bytes in [200, 400] {
        follow_a_seqlock(run_bytes);
    }
}

fn follow_a_seqlock(run_bytes: usize) {
    let region = Region::heap(1024);
    let rounds: u64 = if cfg!(miri) { 20 } else { 20_000 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=rounds {
                region.word(0).store(2 * round - 1, Ordering::Relaxed);
                // Release pairs with the reader's Acquire fence: torn bytes imply a changed word.
                crate::sync::fence(Ordering::Release);
                region.copy_in(64, &vec![round as u8; run_bytes]);
                region.word(0).store(2 * round, Ordering::Release); // pairs with the first load
            }
        });
        let mut last = 0;
        while last < 2 * rounds {
            let before = region.word(0).load(Ordering::Acquire);
            let mut run = Vec::new();
            region.append_to(64, run_bytes, &mut run);
            crate::sync::fence(Ordering::Acquire); // pairs with the writer's Release fence
            last = region.word(0).load(Ordering::Relaxed);
            if before == last && before.is_multiple_of(2) {
                assert!(
                    run.iter().all(|&byte| byte == (before / 2) as u8),
                    "torn at {before}"
                );
            }
        }
    });
}
