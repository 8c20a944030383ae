//! How an agent works, and what it reports.

use crate::wire::{Origin, Refusal};

/// How an agent works.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// For people: which host this is.
    pub host: String,
    /// Hash of the machine, its boot and the file.
    pub machine: u64,
    /// Hash of what keys are hashed with.
    pub seed_check: u64,
    /// How many brokers there are.
    pub brokers: u8,
    /// How old a trusted hit may be, counted from the acceptance of its invalidation; at most
    /// [`Self::LONGEST_BOUND_US`].
    pub bound_us: u64,
    /// A host of which this much longer nothing was heard is forgotten; must be what brokers have.
    pub gone_after_us: u64,
    /// How long a lease lasts that is not renewed; must be what brokers have.
    pub lease_term_us: u64,
    /// After this much silence of too many brokers a computation goes on without a lease.
    pub alone_after_us: u64,
}

impl AgentSettings {
    /// The bound unless another is asked for.
    pub const BOUND_US: u64 = 500_000;
    /// No host trusts for longer, whatever it asks for.
    pub const LONGEST_BOUND_US: u64 = 1_500_000;
    /// How long too many brokers may be silent unless another time is asked for.
    pub const ALONE_AFTER_US: u64 = 250_000;

    /// For how long after its last trust a host goes on in another life of a broker, where silent hosts are forgotten
    /// after `gone_after_us`. Sooner than that, so that a life is ripe, and strangers are accepted, within two seconds.
    pub(crate) const fn continues_within_us(gone_after_us: u64) -> u64 {
        gone_after_us / 4 * 3
    }

    /// How often brokers are asked for their heads.
    pub(crate) const fn ask_every_us(&self) -> u64 {
        self.bound_us / 5
    }

    /// How long what was accepted is ready to be published again to a broker that began anew.
    pub(crate) const fn reach_us(&self) -> u64 {
        self.gone_after_us + 1_000_000
    }

    pub(crate) const fn majority(&self) -> usize {
        self.brokers as usize / 2 + 1
    }
}

/// Something that people, metrics or the application want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentEvent {
    /// A broker knows us.
    Welcomed { broker: usize },
    /// A broker does not take us.
    Refused { broker: usize, reason: Refusal },
    /// A broker began anew, or the connection did.
    Again { broker: usize, is_new_life: bool },
    /// The broker's stream is followed.
    Following { broker: usize, why: Entry },
    /// Everything that was filled before is a miss.
    FloorRaised { broker: usize, topics: u64 },
    /// Records were missing in the stream; they were asked for.
    Gap { broker: usize },
    /// The journal overran what was not sent: every host starts over.
    Overflow { broker: usize, tickets: u64 },
    /// Another host's journal did.
    OriginLost { origin: Origin, tickets: u64 },
    /// A host answers a probe.
    Pong { from: Origin, host: String, ticket: u64 },
    /// A host answers an audit's question: the age of what it gives, if that is anything.
    Inspected {
        from: Origin,
        host: String,
        number: u64,
        age_ms: Option<u64>,
    },
}

/// How a stream was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Where it was left.
    Resumed,
    /// From before the broker last confirmed.
    Continued,
    /// At the head, with an empty segment.
    Fresh,
}
