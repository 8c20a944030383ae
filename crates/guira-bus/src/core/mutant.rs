//! Deliberate mistakes, for proofs that are made to find them: on only in builds with the feature `mutants`,
//! and there only when one was chosen.

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// One missing entry is not taken for a gap.
    ToleranceOne,
    /// Trust counts from the arrival of an answer.
    TrustOnArrival,
    /// Heads are compared over all topics together, not topic by topic.
    TopicHoles,
    /// One broker is enough to accept.
    SingleBrokerAccepts,
    /// One broker is enough to trust.
    SingleBrokerTrusts,
    /// A broker that began anew is followed from its head, whatever it lacks.
    FreshBrokerTrusted,
    /// The floor is not raised when a stream is entered at its head.
    FloorKept,
    /// An origin tells a broker that began anew nothing of what was accepted before.
    NothingAgain,
    /// Members that are not complete are not waited for.
    MembersIgnored,
    /// A new origin's records are accepted before everybody knows it.
    AcceptedUnknown,
    /// A broker takes tickets out of order.
    TicketHoles,
    /// Records that were overwritten before they were sent are passed over.
    LostUnsaid,
    /// A broker that began anew says at once that everybody has applied everything.
    FreshBrokerSettles,
    /// What hosts have not applied is settled as soon as it is logged.
    SettledUnapplied,
    /// A worker's death between record and kill is not made good.
    OwnUnfinished,
    /// A namespace that is new to the host is trusted with what it holds.
    NewTopicTrusted,
    /// The value of another host's computation is taken without looking at where the stream stood.
    DoneWithoutPosition,
    /// A broker that began anew grants leases at once.
    FreshBrokerGrants,
    /// A broker that began anew is not told of what is accepted and not settled.
    UnsettledLeftOut,
    /// What was overwritten before it was sent is said to be settled, whether it is or not.
    OverrunTakenForSettled,
    /// A broker that began anew counts the records of a new origin as accepted before it met everybody.
    StrangerAccepted,
    /// The list of a broker that had begun anew is taken for complete.
    ShortListCounts,
    /// A host gives another a value without looking at how far each of them stands.
    SoughtWithoutPosition,
    /// A host that is not trusted gives another a value.
    SoughtWithoutTrust,
    /// Who seeks a value tells how far it stands without gaps, not how far it has applied.
    SoughtWithGaps,
    /// Who seeks a value does not wait until what this host said is logged.
    SoughtUnlogged,
    /// Who seeks a value does not hear again what it had heard of brokers that have begun anew.
    SoughtDeaf,
    /// A host gives a value by trust from before the asker outlived a broker.
    SoughtTooSoon,
}

impl Mutant {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::ToleranceOne,
        Self::TrustOnArrival,
        Self::TopicHoles,
        Self::SingleBrokerAccepts,
        Self::SingleBrokerTrusts,
        Self::FreshBrokerTrusted,
        Self::FloorKept,
        Self::NothingAgain,
        Self::MembersIgnored,
        Self::AcceptedUnknown,
        Self::TicketHoles,
        Self::LostUnsaid,
        Self::FreshBrokerSettles,
        Self::SettledUnapplied,
        Self::OwnUnfinished,
        Self::NewTopicTrusted,
        Self::DoneWithoutPosition,
        Self::FreshBrokerGrants,
        Self::UnsettledLeftOut,
        Self::OverrunTakenForSettled,
        Self::StrangerAccepted,
        Self::ShortListCounts,
        Self::SoughtWithoutPosition,
        Self::SoughtWithoutTrust,
        Self::SoughtWithGaps,
        Self::SoughtUnlogged,
        Self::SoughtDeaf,
        Self::SoughtTooSoon,
    ];

    /// Whether the mistake is made on this thread.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn is_on(self) -> bool {
        CHOSEN.get() == Some(self)
    }

    /// Whether the mistake is made: never, in this build.
    #[cfg(not(feature = "mutants"))]
    #[must_use]
    pub const fn is_on(self) -> bool {
        false
    }

    /// Makes this mistake, or none, on this thread.
    #[cfg(feature = "mutants")]
    pub fn choose(mutant: Option<Self>) {
        CHOSEN.set(mutant);
    }
}

#[cfg(feature = "mutants")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}
