//! What happens between a host and its cluster, for the application.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counters::{Counted, counted};
use super::status::SILENCE;
use super::{Active, BrokerLink};

/// Between two looks while somebody waits.
const PAUSE: Duration = Duration::from_millis(5);

/// Something that happened between this host and its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CoherenceEvent {
    /// Hits are suspect from now on: no majority of the brokers was heard within the bound.
    TrustLost,
    /// Hits are trusted again.
    TrustRegained,
    /// Everything that was filled before, or all of some namespaces, was made a miss, so often.
    FloorsRaised {
        /// How often.
        times: u64,
    },
    /// The journal overran what was not sent, so often: every host starts over.
    Overflowed {
        /// How often.
        times: u64,
    },
    /// No process of the host is at work as its agent.
    AgentLost,
    /// A process is, for the first time or again.
    AgentBack,
    /// A broker was not heard of within the bound. Told only while the agent is in this process.
    BrokerLost {
        /// Its address.
        address: String,
    },
    /// A broker is heard of again. Told only while the agent is in this process.
    BrokerBack {
        /// Its address.
        address: String,
    },
}

/// The events of a host since this was made: [`Guira::coherence_events`](crate::Guira::coherence_events).
///
/// It compares what the segment says now with what it said at the last look, in the thread that asks; any process of
/// the host may have one. So it takes no memory while nobody asks, and what came and went between two looks is told only
/// where it is counted (floors, overflows).
///
/// ```no_run
/// use guira::Guira;
/// use guira::coherence::{Coherence, CoherenceEvent};
/// use std::time::Duration;
///
/// # let guira = Guira::builder().coherence(Coherence::of_cluster("shop").broker("tcp://10.0.0.7:7227")).private()?;
/// let mut events = guira.coherence_events()?;
/// while let Some(event) = events.wait(Duration::from_secs(60)) {
///     match event {
///         CoherenceEvent::TrustLost => println!("no majority of the brokers is heard"),
///         event => println!("{event:?}"),
///     }
/// }
/// # Ok::<(), guira::Error>(())
/// ```
#[derive(Debug)]
pub struct CoherenceEvents {
    active: Arc<Active>,
    last: Look,
    /// What the last look found and nobody has taken yet: at most one of a kind, and one for each broker.
    found: VecDeque<CoherenceEvent>,
}

/// What is to be seen at once.
#[derive(Debug)]
struct Look {
    is_trusted: bool,
    has_agent: bool,
    floors: u64,
    overflows: u64,
    /// Address, and whether it was heard of within the bound; if the agent is in this process.
    brokers: Vec<(String, bool)>,
}

impl Look {
    fn at(active: &Active) -> Self {
        let segment = &active.plan.segment;
        let bound = Duration::from_micros(active.plan.settings.bound_us);
        Self {
            is_trusted: segment.trusted_for().is_some(),
            has_agent: segment.has_agent(SILENCE),
            floors: counted(segment, Counted::FloorsRaised),
            overflows: counted(segment, Counted::Overflows),
            brokers: active
                .links_here()
                .into_iter()
                .map(|link| (link.address.clone(), is_heard(&link, bound)))
                .collect(),
        }
    }
}

/// Whether what a broker has is known to be applied here up to a time within the bound.
fn is_heard(link: &BrokerLink, bound: Duration) -> bool {
    link.is_followed() && link.confirmed_ago().is_some_and(|ago| ago <= bound)
}

impl CoherenceEvents {
    pub(super) fn of(active: Arc<Active>) -> Self {
        Self {
            last: Look::at(&active),
            found: VecDeque::new(),
            active,
        }
    }

    /// The next event, if one happened by now.
    pub fn poll(&mut self) -> Option<CoherenceEvent> {
        if self.found.is_empty() {
            self.look();
        }
        self.found.pop_front()
    }

    /// The next event; `None` if there is none within `timeout`. Blocks its thread.
    pub fn wait(&mut self, timeout: Duration) -> Option<CoherenceEvent> {
        let began = Instant::now();
        loop {
            if let Some(event) = self.poll() {
                return Some(event);
            }
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                return None;
            }
            // Another process may be the agent: there is nothing to wait on but what it says.
            std::thread::park_timeout(PAUSE.min(left));
        }
    }

    fn look(&mut self) {
        self.active.ensure_agent();
        let (last, now) = (&self.last, Look::at(&self.active));
        let turn = |was: bool, is: bool, lost, back| match (was, is) {
            (true, false) => Some(lost),
            (false, true) => Some(back),
            _ => None,
        };
        let times = now.overflows.wrapping_sub(last.overflows);
        let overflow = (times != 0).then_some(CoherenceEvent::Overflowed { times });
        let times = now.floors.wrapping_sub(last.floors);
        let floors = (times != 0).then_some(CoherenceEvent::FloorsRaised { times });
        let agent = turn(
            last.has_agent,
            now.has_agent,
            CoherenceEvent::AgentLost,
            CoherenceEvent::AgentBack,
        );
        let trust = turn(
            last.is_trusted,
            now.is_trusted,
            CoherenceEvent::TrustLost,
            CoherenceEvent::TrustRegained,
        );
        let brokers = now.brokers.iter().filter_map(|(address, is_heard)| {
            let address = || address.clone();
            let (_, was_heard) = last.brokers.iter().find(|(before, _)| *before == address())?;
            turn(
                *was_heard,
                *is_heard,
                CoherenceEvent::BrokerLost { address: address() },
                CoherenceEvent::BrokerBack { address: address() },
            )
        });
        // What leads to the rest comes first.
        self.found.extend(agent);
        self.found.extend(brokers);
        self.found.extend([overflow, floors, trust].into_iter().flatten());
        self.last = now;
    }
}
