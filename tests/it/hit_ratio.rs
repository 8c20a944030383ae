//! Hits on the recorded trace that ships, against an exact S3-FIFO with the same bytes.

use guira_segment::{Expiry, Segment};
use guira_trace::{Capacity, Lru, Policy, S3Fifo, Trace};

const VALUE_BYTES: u64 = 100;
/// A header of 36 bytes, a key of 8 and the value, on the grid of 16.
const ENTRY_BYTES: u64 = (36 + 8 + VALUE_BYTES).next_multiple_of(16);
const BLOCK_BYTES: u64 = 4096;
/// A tenth of the whole trace's keys.
const ENTRIES: u64 = 7_634;
/// What the log of blocks may cost, in hits per access.
const MOST_BELOW: f64 = 0.005;

#[test]
fn a_tenth_of_the_keys_hits_within_half_a_point_of_exact_s3_fifo_and_above_lru() {
    let trace = Trace::orm_busy().prefix(1_500_000);
    let blocks = ENTRIES * ENTRY_BYTES / BLOCK_BYTES;
    let segment = Segment::builder()
        .exact_blocks(BLOCK_BYTES, blocks)
        .private()
        .expect("a private segment");
    let value = [0x5a; VALUE_BYTES as usize];
    let mut copy = Vec::new();
    let mut hits = 0_u64;
    for access in trace.accesses() {
        let key = access.key.to_le_bytes();
        if segment.get_into(&key, &mut copy) {
            assert_eq!(copy, value);
            hits += 1;
        } else {
            segment
                .put(&key, &value, Expiry::never())
                .expect("room by eviction");
        }
    }
    let guira = hits as f64 / trace.accesses().len() as f64;
    let same_bytes = Capacity::Entries(blocks * BLOCK_BYTES / ENTRY_BYTES);
    let s3_fifo = S3Fifo::new(same_bytes).replay(trace.accesses()).ratio();
    let lru = Lru::new(same_bytes).replay(trace.accesses()).ratio();
    assert!(
        (guira - s3_fifo).abs() <= MOST_BELOW,
        "guira {guira:.4}, exact S3-FIFO {s3_fifo:.4}"
    );
    assert!(guira > lru, "guira {guira:.4}, LRU {lru:.4}");
    let stats = segment.stats();
    assert_eq!(stats.hits, hits);
    assert!(stats.evictions > 0, "the capacity must bind");
}
