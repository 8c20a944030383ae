//! What agents and brokers say to each other.
//!
//! Everything may be lost, repeated, delayed and reordered: whoever needs an answer asks again.

use serde::{Deserialize, Serialize};

use super::lease::{KeyId, LeaseAnswer, LeaseRequest};
use super::record::{Item, Origin, Topic};
use super::seek::{Seek, Sought};

/// A broker's life: random, new whenever its log begins anew. 0 names none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Epoch(#[serde(with = "postcard::fixint::le")] pub u64);

/// From an agent to a broker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToBroker {
    /// Who I am; repeated until welcomed.
    Hello(Hello),
    /// Records, the first of them with ticket `first`.
    Publish {
        epoch: Epoch,
        first: u64,
        items: Vec<Item>,
    },
    /// For trust: what are your heads?
    Ask(Ask),
    /// Where do I begin, when I applied what you had logged until `age_us` ago? The answer is [`ToAgent::Start`].
    Join { epoch: Epoch, age_us: u64 },
    /// Send again what topics of `topics` have after `after`.
    Replay { epoch: Epoch, topics: u64, after: u64 },
    /// Who is there?
    Members { epoch: Epoch },
    /// One key's computation in the cluster.
    Lease(LeaseRequest),
    /// The answer to a probe that came with the stream.
    Pong { epoch: Epoch, to: Origin, ticket: u64 },
    /// What do you know? For people.
    Status,
    /// I leave in order.
    Goodbye { epoch: Epoch },
    /// For an audit, to everybody: how old is what you give for this key?
    Inspect { epoch: Epoch, number: u64, key: KeyId },
    /// The answer to an audit's question that came with the stream: its age, if there is anything.
    Inspected {
        epoch: Epoch,
        to: Origin,
        number: u64,
        age_ms: Option<u64>,
    },
    /// Has anybody this value, or has `of`, who said so?
    Seek {
        epoch: Epoch,
        of: Option<Origin>,
        seek: Seek,
    },
    /// The answer to another host's [`ToBroker::Seek`].
    Sought {
        epoch: Epoch,
        to: Origin,
        number: u64,
        asked_at_us: u64,
        found: Sought,
    },
}

/// The first words of an agent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub origin: Origin,
    /// For people: which host.
    pub host: String,
    /// Hash of the machine, its boot and the file: tells a copied file from an agent that took over.
    pub machine: u64,
    /// Hash of what keys are hashed with; hosts whose keys hash otherwise would not understand each other.
    pub seed_check: u64,
    /// How many brokers the agent names.
    pub brokers: u8,
    /// How old a trusted hit may be.
    pub bound_us: u64,
    /// The first ticket it will publish to a broker that knows nothing of it.
    pub first: u64,
    /// Its next ticket.
    pub head: u64,
    /// Whatever was accepted within this time has a ticket of `first` or more.
    pub reach_us: u64,
    /// How long ago it is that a broker at this address counted its records as accepted, as far as it knows.
    pub known_ago_us: Option<u64>,
    /// Whom it knows.
    pub members: Vec<Origin>,
}

/// A question for trust.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ask {
    pub epoch: Epoch,
    /// The asker's clock; comes back as it is.
    pub asked_at_us: u64,
    /// Heads of which topics.
    pub topics: u64,
    /// Everything up to this position was applied.
    pub applied: u64,
    /// The version of the list of members that the asker knows.
    pub members_version: u64,
}

/// From a broker to an agent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToAgent {
    /// You are known; publish from `next`.
    Welcome { epoch: Epoch, next: u64 },
    /// You cannot take part.
    Refused { epoch: Epoch, reason: Refusal },
    /// Who are you? (Asked by a broker that began anew.)
    WhoAreYou { epoch: Epoch },
    /// Tickets below `next` are logged, at positions up to `position`; they count as accepted once every host
    /// knows of this origin.
    Ack {
        epoch: Epoch,
        next: u64,
        position: u64,
        is_accepted: bool,
    },
    /// Tickets from `next` on are missing.
    Resend { epoch: Epoch, next: u64 },
    /// The answer to [`ToBroker::Ask`].
    Answer(Answer),
    /// Who is there.
    Members {
        epoch: Epoch,
        version: u64,
        members: Vec<Origin>,
    },
    /// The answer to [`ToBroker::Join`].
    Start(Start),
    /// What was asked to be sent again: everything that the topics have up to `through`.
    Replayed {
        epoch: Epoch,
        topics: u64,
        after: u64,
        through: u64,
        head: u64,
        entries: Vec<Entry>,
    },
    /// The log does not reach back to what was asked for.
    Trimmed { epoch: Epoch },
    /// To a [`ToBroker::Lease`].
    Lease(LeaseAnswer),
    /// Somebody answers a probe of yours.
    Pong { from: Origin, host: String, ticket: u64 },
    /// To [`ToBroker::Status`].
    Status(super::status::BrokerStatus),
    /// Somebody answers a [`ToBroker::Inspect`] of yours.
    Inspected {
        from: Origin,
        host: String,
        number: u64,
        age_ms: Option<u64>,
    },
    /// Somebody asks you alone for a value.
    Seek { epoch: Epoch, from: Origin, seek: Seek },
    /// Somebody answers a [`ToBroker::Seek`] of yours.
    Sought {
        epoch: Epoch,
        from: Origin,
        number: u64,
        asked_at_us: u64,
        found: Sought,
    },
}

/// The answer for trust.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    pub epoch: Epoch,
    pub asked_at_us: u64,
    pub topics: u64,
    /// The last position when the question came.
    pub position: u64,
    /// The last positions of the topics, in order of the topics.
    pub heads: Vec<u64>,
    /// Positions up to here were applied by every host, or are beyond the trust of those that did not.
    pub settled: u64,
    /// The list of members had this version when all were told of it.
    pub members_version: u64,
    /// Tickets of the asker below this are logged.
    pub next: u64,
    /// And accepted.
    pub is_accepted: bool,
    /// Whether this life is so old that whoever was known to the last one has come back or is forgotten.
    pub is_ripe: bool,
    /// The version of the list of members with which the asker was added to it: with an older one it does not know
    /// of whom others have said that everybody knows them.
    pub since_version: u64,
    /// How many leases it had granted when the question came: who is granted one later computes from what is
    /// newer than the question.
    pub grants: u64,
}

/// Where to begin in a broker's stream.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Start {
    pub epoch: Epoch,
    /// As asked.
    pub age_us: u64,
    /// Everything that was logged within the asked age is after this position.
    pub position: u64,
    /// The last position.
    pub head: u64,
    /// The log holds whatever the complete hosts had accepted within this time.
    pub reach_us: u64,
    /// Whatever was logged within this time is still there; `u64::MAX` if everything is.
    pub kept_us: u64,
    /// After this much silence the broker forgets a host.
    pub gone_after_us: u64,
    pub members_version: u64,
    pub members: Vec<Origin>,
    /// Those of them whose first publication has not reached the head they began with.
    pub incomplete: Vec<Origin>,
}

/// Why an agent cannot take part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// Its keys hash otherwise than those of the others.
    OtherSeed,
    /// It names another number of brokers than the broker knows of: their majorities would not meet.
    OtherBrokers { broker_names: u8, agent_names: u8 },
    /// It names more tickets as published than it has: its journal was restored from an old copy.
    OldCopy { known: u64, named: u64 },
    /// Another agent of the same origin is heard from elsewhere: a copied segment file.
    SecondCopy,
    /// More hosts than a broker takes.
    Full { hosts: u32 },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherSeed => write!(
                f,
                "its keys hash otherwise than the cluster's: make the segment again with this cluster's name"
            ),
            Self::OtherBrokers {
                broker_names,
                agent_names,
            } => write!(
                f,
                "it names {agent_names} brokers where the broker knows of {broker_names}: name all brokers to every host, and to each broker its peers"
            ),
            Self::OldCopy { known, named } => write!(
                f,
                "its journal ends at {named} and {known} is known of it: a copy from before; it needs a new identity"
            ),
            Self::SecondCopy => write!(
                f,
                "another host speaks for the same segment: a copied file; it needs a new identity"
            ),
            Self::Full { hosts } => write!(f, "the broker takes {hosts} hosts and has as many"),
        }
    }
}

/// One logged record.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub position: u64,
    pub topic: Topic,
    /// The last position before it in the same topic.
    pub previous: u64,
    pub origin: Origin,
    pub ticket: u64,
    pub item: Item,
}

/// From a broker to all agents, by topic.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Stream {
    /// Entries of one topic, in order, each after the one before.
    Entries { epoch: Epoch, entries: Vec<Entry> },
    /// The list of members has a new version: ask for it.
    MembersChanged { epoch: Epoch, version: u64 },
    /// Somebody asks how old what each host gives for a key is.
    Inspect {
        epoch: Epoch,
        from: Origin,
        number: u64,
        key: KeyId,
    },
    /// Somebody asks whether anybody has a value.
    Seek { epoch: Epoch, from: Origin, seek: Seek },
}
