//! What telling other hosts adds to an invalidation, while a reader drains the journal in batches and while
//! nobody does.
//!
//! ```text
//! cargo run --release --example append -p guira-segment
//! ```

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering}; // process-private
use std::thread;
use std::time::{Duration, Instant};

use guira_segment::{JournalRead, Segment, SegmentBuilder};

/// Invalidations of a round.
const ROUND: u32 = 200_000;
/// Rounds; the median counts.
const ROUNDS: usize = 15;
/// What the reader does beside reading.
const PAUSE: Duration = Duration::from_micros(100);

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let make = |name: &str, builder: SegmentBuilder| {
        builder
            .size(64 << 20)
            .journal_records(1 << 20)
            .create(directory.path().join(name))
    };
    let alone = make("alone", Segment::builder())?;
    let told = make("told", Segment::builder().cluster("bench"))?;
    // Turn by turn, so that what disturbs one disturbs the other.
    let (mut without, mut with, mut drained) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(ns_each(&alone));
        with.push(ns_each(&told));
        drained.push(while_drained(&told, || ns_each(&told)));
    }
    let [without, with, drained] = [without, with, drained].map(median);
    println!("invalidate, of no cluster      {without:6.1} ns");
    println!(
        "          , told, nobody reads {with:6.1} ns, {:+.1}",
        with - without
    );
    println!(
        "          , told, read         {drained:6.1} ns, {:+.1}",
        drained - without
    );
    Ok(())
}

fn ns_each(segment: &Segment) -> f64 {
    let begin = Instant::now();
    for number in 0..ROUND {
        segment.invalidate(&(number % 4_096).to_le_bytes());
    }
    begin.elapsed().as_nanos() as f64 / f64::from(ROUND)
}

/// While an agent reads what there is, a thousand at a time, and then does something else for a moment.
fn while_drained(segment: &Segment, work: impl FnOnce() -> f64) -> f64 {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let Some(journal) = segment.journal() else { return };
            let (mut next, mut entries) = (journal.tail(), Vec::with_capacity(1_000));
            while !is_over.load(Ordering::Relaxed) {
                entries.clear();
                match journal.read(next, 1_000, &mut entries) {
                    // What a batch's way to the brokers takes; it does not sleep on the journal.
                    JournalRead::UpTo(up_to) if up_to == next => thread::park_timeout(PAUSE),
                    JournalRead::UpTo(up_to) => next = up_to,
                    JournalRead::Pending { at } => journal.close_hole(at),
                    JournalRead::Overwritten { missing_to, .. } => next = missing_to,
                }
            }
        });
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
