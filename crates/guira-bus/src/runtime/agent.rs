//! An agent at work: the state machine, its sockets, and the host it speaks for.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock;
use crate::core::{AgentCore, AgentEvent, AgentSettings, Flow, Host, LeaseOutcome, LinkStatus};
use crate::transport::{self, AgentOptions, AgentSockets, LinkChange, Sent, TransportError, Waker};
use crate::wire::{Cluster, FrameError, KeyId, TOPICS, ToAgent, ToBroker, decode, encode, topics_of};

/// Something to report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentNews {
    /// From the protocol.
    Event(AgentEvent),
    /// What came of a worker's wish to compute; see `AgentCore::lease_want`.
    Lease {
        key: KeyId,
        number: u64,
        outcome: LeaseOutcome,
    },
    /// A connection came, went, or fails.
    Link { broker: usize, change: LinkChange },
    /// A frame that was not one of ours, or not well formed; it was dropped.
    BadFrame { broker: usize, error: FrameError },
}

/// What an agent has counted since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AgentTally {
    pub frames_sent: u64,
    pub bytes_sent: u64,
    pub frames_dropped: u64,
    pub frames_received: u64,
    pub bytes_received: u64,
    pub bad_frames: u64,
}

/// How long a turn takes in what came.
const TURN_US: u64 = 20_000;

/// An agent and its sockets. Whoever owns it calls [`Agent::turn`] again and again, on one thread.
pub struct Agent<H> {
    core: AgentCore,
    sockets: AgentSockets,
    host: H,
    cluster: Cluster,
    /// What came and was not taken in yet.
    inbox: VecDeque<transport::AgentEvent>,
    received: Vec<transport::AgentEvent>,
    flow: Vec<Flow>,
    subscribed: u64,
    tally: AgentTally,
    news: Vec<AgentNews>,
}

impl<H: std::fmt::Debug> std::fmt::Debug for Agent<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("core", &self.core)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl<H: Host> Agent<H> {
    /// Opens sockets to the brokers; waits for none.
    ///
    /// # Errors
    /// [`TransportError`]: addresses or keys that cannot be used.
    pub fn new(
        settings: AgentSettings,
        options: &AgentOptions,
        cluster: Cluster,
        mut host: H,
    ) -> Result<Self, TransportError> {
        let sockets = AgentSockets::connect(options)?;
        let core = AgentCore::new(settings, clock::now_us(), &mut host);
        Ok(Self {
            core,
            sockets,
            host,
            cluster,
            inbox: VecDeque::new(),
            received: Vec::new(),
            flow: Vec::new(),
            subscribed: 0,
            tally: AgentTally::default(),
            news: Vec::new(),
        })
    }

    /// The host it speaks for.
    pub const fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// The state machine, for what is asked of it beside the stream.
    pub const fn core(&mut self) -> (&mut AgentCore, &mut H, &mut Vec<Flow>) {
        (&mut self.core, &mut self.host, &mut self.flow)
    }

    /// What ends the sleep of [`Agent::turn`] from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    /// What it has counted.
    #[must_use]
    pub const fn tally(&self) -> AgentTally {
        self.tally
    }

    /// Where it stands with each broker.
    #[must_use]
    pub fn links(&self) -> Vec<LinkStatus> {
        self.core.links(clock::now_us())
    }

    /// Begins anew under the host's present origin: brokers did not take the last one.
    pub fn begin_again(&mut self) {
        self.core = AgentCore::new(self.core.settings().clone(), clock::now_us(), &mut self.host);
        self.subscribed = 0;
    }

    /// Does what is due, then sleeps until something comes, is due, or wakes it, `longest` at most. Of what came it
    /// takes in what some milliseconds allow, and the rest in the next turns: who calls has something to do, too, such
    /// as showing that it is at work. News are appended to `news`.
    ///
    /// # Errors
    /// The sockets cannot be used any more.
    pub fn turn(&mut self, longest: Duration, news: &mut Vec<AgentNews>) -> Result<(), TransportError> {
        self.act()?;
        self.rest(longest, news)
    }

    /// The first half of a [`turn`](Agent::turn): does what is due.
    ///
    /// # Errors
    /// As [`Agent::turn`].
    pub fn act(&mut self) -> Result<(), TransportError> {
        let now_us = clock::now_us();
        self.core.on_tick(now_us, &mut self.host, &mut self.flow);
        self.carry_out()
    }

    /// The second half of a [`turn`](Agent::turn): sleeps, and takes in what came.
    ///
    /// # Errors
    /// As [`Agent::turn`].
    pub fn rest(&mut self, longest: Duration, news: &mut Vec<AgentNews>) -> Result<(), TransportError> {
        let now_us = clock::now_us();
        let due_us = self.core.next_due_us(now_us).saturating_sub(clock::now_us());
        let sleep = longest.min(Duration::from_micros(due_us));
        if self.inbox.is_empty() {
            self.sockets.poll(sleep, &mut self.received)?;
            self.inbox.extend(self.received.drain(..));
        }
        let end_us = clock::now_us() + TURN_US;
        while let Some(event) = self.inbox.pop_front() {
            self.take_in(event);
            self.carry_out()?;
            if clock::now_us() >= end_us {
                break;
            }
        }
        news.append(&mut self.news);
        Ok(())
    }

    /// Leaves in order: brokers need not wait until they miss it.
    ///
    /// # Errors
    /// As [`Agent::turn`].
    pub fn leave(&mut self) -> Result<(), TransportError> {
        self.core.leave(&mut self.host, &mut self.flow);
        self.carry_out()?;
        // Gives the sockets the time to pass it on.
        self.sockets.poll(Duration::from_millis(1), &mut self.received)
    }

    fn take_in(&mut self, event: transport::AgentEvent) {
        // Sampled as late as it may be: an answer's question was noted before.
        let now_us = clock::now_us();
        match event {
            transport::AgentEvent::Control { broker, frame } => {
                self.tally.frames_received += 1;
                self.tally.bytes_received += frame.len() as u64;
                match decode::<ToAgent>(self.cluster, &frame) {
                    Ok(frame) => self
                        .core
                        .on_frame(now_us, broker, frame, &mut self.host, &mut self.flow),
                    Err(error) => self.bad_frame(broker, error),
                }
            }
            transport::AgentEvent::Stream { broker, frame, .. } => {
                self.tally.frames_received += 1;
                self.tally.bytes_received += frame.len() as u64;
                match decode(self.cluster, &frame) {
                    Ok(frame) => self
                        .core
                        .on_stream(now_us, broker, frame, &mut self.host, &mut self.flow),
                    Err(error) => self.bad_frame(broker, error),
                }
            }
            transport::AgentEvent::Link { broker, change, .. } => {
                self.news.push(AgentNews::Link { broker, change });
            }
        }
    }

    fn bad_frame(&mut self, broker: usize, error: FrameError) {
        self.tally.bad_frames += 1;
        self.news.push(AgentNews::BadFrame { broker, error });
    }

    fn carry_out(&mut self) -> Result<(), TransportError> {
        let mut flow = std::mem::take(&mut self.flow);
        for step in flow.drain(..) {
            match step {
                Flow::Send { broker, frame } => self.send(broker, &frame),
                Flow::Subscribe { topics, .. } => self.subscribe(topics)?,
                Flow::Lease { key, number, outcome } => {
                    self.news.push(AgentNews::Lease { key, number, outcome });
                }
                Flow::Event(event) => self.news.push(AgentNews::Event(event)),
            }
        }
        self.flow = flow;
        Ok(())
    }

    fn send(&mut self, broker: usize, frame: &ToBroker) {
        let frame = encode(self.cluster, frame);
        let bytes = frame.len() as u64;
        match self.sockets.send(broker, frame) {
            Sent::Queued => {
                self.tally.frames_sent += 1;
                self.tally.bytes_sent += bytes;
            }
            // Whatever matters is sent again.
            _ => self.tally.frames_dropped += 1,
        }
    }

    /// All brokers' streams are subscribed alike.
    fn subscribe(&mut self, topics: u64) -> Result<(), TransportError> {
        let numbers = |mask: u64| topics_of(mask).map(|topic| topic.index() as u8);
        const { assert!(TOPICS <= 256) };
        for topic in numbers(topics & !self.subscribed) {
            self.sockets.subscribe(topic)?;
        }
        for topic in numbers(self.subscribed & !topics) {
            self.sockets.unsubscribe(topic)?;
        }
        self.subscribed = topics;
        Ok(())
    }
}
