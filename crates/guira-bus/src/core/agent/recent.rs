//! Which records were applied of late: several brokers send the same ones.

use std::collections::{HashSet, VecDeque};

use crate::wire::{Item, Origin};

const KEPT: usize = 8_192;

#[derive(Debug, Default)]
pub(super) struct Recent {
    set: HashSet<(Origin, u64, u64)>,
    order: VecDeque<(Origin, u64, u64)>,
}

impl Recent {
    /// Notes a record; false if it was noted before.
    pub(super) fn note(&mut self, origin: Origin, ticket: u64, item: &Item) -> bool {
        // A loss is another than the record with which it begins, and than one of more tickets: brokers may have
        // got different parts before.
        let lost = match item {
            Item::Lost(tickets) => *tickets,
            Item::Record(_) | Item::Voids(_) | Item::Settled(_) => 0,
        };
        if !self.set.insert((origin, ticket, lost)) {
            return false;
        }
        self.order.push_back((origin, ticket, lost));
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}
