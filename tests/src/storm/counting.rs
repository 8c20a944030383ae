//! A storm's counters.

use guira_segment::Expiry;
use guira_shm::sync::Ordering;

use crate::storm::counter::{COUNTERS, Field, initial};
use crate::storm::kind::Kind;
use crate::storm::worker::{Hand, counter_bytes};

impl Hand<'_> {
    pub(super) fn increment(&mut self) {
        if !self.field.counts() {
            return self.read_counter();
        }
        let counter = self.random.below(COUNTERS);
        let (segment, name, one) = (self.segment, counter_bytes(counter), self.field.one());
        let began = self.next_epoch(counter);
        let result = self.timed(Kind::Increment, || {
            segment.increment(&name, one, Some(began), Expiry::never())
        });
        let Some(Some(sum)) = self.accepted(counter, result, Kind::Increment) else {
            return self.field.forget(counter);
        };
        if sum == began {
            self.reserved.remove(&counter);
        }
        if let Err(what) = self.field.incremented(counter, sum, began) {
            self.journal.wrong(&what);
        }
        if Field::is_full(sum) {
            self.timed(Kind::Remove, || segment.remove(&name));
            self.field.forget(counter);
        }
    }

    pub(super) fn next_epoch(&mut self, counter: u64) -> i64 {
        let board = self.board;
        *self
            .reserved
            .entry(counter)
            .or_insert_with(|| initial(board.extra_word(counter as usize).fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn read_counter(&mut self) {
        let counter = self.random.below(COUNTERS);
        let (segment, name) = (self.segment, counter_bytes(counter));
        let mut buffer = Vec::new();
        if !self.timed(Kind::GetInto, || segment.get_into(&name, &mut buffer)) {
            return;
        }
        let number = std::str::from_utf8(&buffer)
            .ok()
            .and_then(|text| text.parse().ok());
        let verdict = match number {
            Some(number) => self.field.read(counter, number),
            None => Err(format!("counter {counter} holds {buffer:?}")),
        };
        if let Err(what) = verdict {
            self.journal.wrong(&what);
        }
    }
}
