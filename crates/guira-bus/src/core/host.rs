//! What an agent needs of the host it speaks for.

use crate::wire::{Epoch, Item, KeyId, Origin, Record, Topic};

/// How far a broker's stream was applied. True once, true for ever: an agent that was stopped may write an
/// older one without harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// In which life of the broker.
    pub epoch: Epoch,
    /// Which topics.
    pub topics: u64,
    /// Everything up to this position.
    pub applied: u64,
    /// Whatever the broker had logged before this time of the host's boot clock was applied.
    pub confirmed_us: u64,
}

/// A segment, as its agent sees it. Nothing here waits.
pub trait Host {
    /// The segment's incarnation.
    fn origin(&self) -> Origin;

    /// The journal's next ticket.
    fn head(&self) -> u64;

    /// The oldest ticket that the journal still has.
    fn oldest(&self) -> u64;

    /// What the tickets from `from` on stand for, at most `max` items; stops before a ticket whose record is
    /// not written yet. Gives the ticket after the last.
    fn read(&mut self, from: u64, max: usize, items: &mut Vec<Item>) -> u64;

    /// Does what another host's record says: afterwards no read gives what it made void.
    fn apply(&mut self, record: &Record);

    /// Completes the segment's own records from ticket `from` on, whose workers may have died in the middle, as
    /// far as they are written. Gives the ticket after the last.
    fn finish_own(&mut self, from: u64) -> u64;

    /// Makes everything in the namespaces of these topics that was filled before void (everything at all
    /// when they include the control topic).
    fn raise_floor(&mut self, topics: u64);

    /// The topics of the namespaces in use, with the control topic.
    fn topics(&self) -> u64;

    /// Hits in namespaces of `topics` may be trusted until `until_us` of the boot-time clock; never takes back.
    fn trust(&mut self, until_us: u64, topics: u64);

    /// Takes trust back, and what was noted of brokers with it.
    fn end_trust(&mut self);

    /// A majority of brokers has everything below `ticket`; never goes back.
    fn accepted(&mut self, ticket: u64);

    /// Every host has applied everything below `ticket`, or its trust has run out; never goes back.
    fn settled(&mut self, ticket: u64);

    /// Below this ticket everything was accepted, as the last agent noted.
    fn accepted_before(&self) -> u64;

    /// Below this ticket everything was settled, as the last agent noted.
    fn settled_before(&self) -> u64;

    /// What the last agent noted of a broker.
    fn mark(&self, broker: usize) -> Option<Mark>;

    /// Notes how far a broker's stream was applied, for the agent that comes after this one.
    fn note(&mut self, broker: usize, mark: Mark);

    /// A broker that counts them as accepted has logged every ticket below `ticket`, or its last life had, at
    /// `position` of this life at the latest: for hosts that are told of a ticket by others than the brokers.
    fn logged(&mut self, _broker: usize, _epoch: Epoch, _ticket: u64, _position: u64) {}

    /// The invalidation clock: a value judged by it is refused if anything that concerns it came after. An own record
    /// that is not below the [`head`](Self::head) that is read after came after.
    fn clock(&self) -> u64;

    /// Moves the invalidation clock on and gives it: a token that was taken before is older than that.
    fn next_clock(&mut self) -> u64;

    /// The stored bytes of a key's value, if it is there, not longer than `max_bytes`, and was stored with a token
    /// not older than `since` of the invalidation clock.
    fn value(&self, key: KeyId, max_bytes: usize, since: u64) -> Option<Vec<u8>>;

    /// A key's value with how long it may be kept, if it is there, fresh, and not longer than `max_bytes`: for another
    /// host that seeks it.
    fn fresh_value(&self, _key: KeyId, _max_bytes: usize) -> Option<Vec<u8>> {
        None
    }

    /// Whether hits in namespaces of this topic are trusted now.
    fn trusts(&self, _now_us: u64, _topic: Topic) -> bool {
        false
    }

    /// Whether the agent that asks is this host's agent still, and none has begun after it.
    fn is_spoken_for(&self) -> bool {
        true
    }

    /// How long ago the value was stored that a read of this key gives now, in milliseconds and up to 100 more;
    /// `None` if a read gives none.
    fn age_ms(&self, key: KeyId) -> Option<u64>;
}
