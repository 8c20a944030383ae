//! How far a connection came, from what the monitor of its socket says.

use std::time::{Duration, Instant};

use super::super::monitor::SocketChange;
use super::super::{HandshakeFailure, SocketSettings};
use super::LinkChange;

/// More ways to fail than there are in one outage, unless a stranger makes them up.
const MAX_TOLD: usize = 8;

/// The progress of one socket's connection. Reports each change once, and says when libzmq has
/// given up (it does so for good after some failed handshakes) or hammers at a peer that will not
/// have it, and the socket is to be opened anew.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    stage: Stage,
    /// What was reported since it was connected.
    told: Vec<LinkChange>,
    failed_handshakes: u32,
    reopens_at: Option<Instant>,
    /// Without a word for so long, libzmq has given up.
    patience: Duration,
    pause: Duration,
    has_keys: bool,
    is_by_name: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The next event is of an attempt to connect.
    Waiting,
    /// The connection broke: the next event announces the next attempt.
    Broken,
    Connecting,
    Connected,
    Established,
    /// Connecting ended, until the socket is opened anew.
    GivenUp,
}

impl Progress {
    pub(super) fn new(settings: &SocketSettings, has_keys: bool, is_by_name: bool, now: Instant) -> Self {
        let longest_step = settings
            .handshake_timeout
            .max(settings.connect_timeout)
            .max(settings.reconnect_max);
        let patience = longest_step + Duration::from_secs(1);
        Self {
            stage: Stage::Waiting,
            told: Vec::new(),
            failed_handshakes: 0,
            reopens_at: Some(now + patience),
            patience,
            pause: settings.reconnect_max,
            has_keys,
            is_by_name,
        }
    }

    /// For the socket that comes after this one: what was reported is not reported again.
    pub(super) fn again(&self, settings: &SocketSettings, now: Instant) -> Self {
        Self {
            told: self.told.clone(),
            failed_handshakes: self.failed_handshakes,
            ..Self::new(settings, self.has_keys, self.is_by_name, now)
        }
    }

    pub(super) fn is_established(&self) -> bool {
        self.stage == Stage::Established
    }

    /// When the socket is to be opened anew, unless something happens before.
    pub(super) fn reopens_at(&self) -> Option<Instant> {
        self.reopens_at
    }

    /// Whether connecting is to end until then.
    pub(super) fn has_given_up(&self) -> bool {
        self.stage == Stage::GivenUp
    }

    /// Takes one event; what of it is to be reported.
    pub(super) fn follow(&mut self, change: SocketChange, now: Instant) -> Option<LinkChange> {
        match change {
            _ if self.has_given_up() => {}
            SocketChange::Connecting => self.step(Stage::Connecting, now),
            SocketChange::Connected => self.step(Stage::Connected, now),
            SocketChange::Retried => return self.retried(now),
            SocketChange::Established => {
                self.stage = Stage::Established;
                self.told.clear();
                self.failed_handshakes = 0;
                self.reopens_at = None;
                return Some(LinkChange::Connected);
            }
            SocketChange::FailedWithoutDetail => {
                let failure = HandshakeFailure::without_detail(self.has_keys);
                return self.failed(failure, false, now);
            }
            SocketChange::FailedByProtocol(code) => {
                return self.failed(HandshakeFailure::of_protocol(code), true, now);
            }
            SocketChange::FailedByRefusal(_) => return self.failed(HandshakeFailure::Refused, true, now),
            SocketChange::Disconnected => {
                let was_established = self.is_established();
                self.step(Stage::Broken, now);
                if was_established {
                    return Some(LinkChange::Disconnected);
                }
            }
            SocketChange::Accepted
            | SocketChange::NotAccepted
            | SocketChange::ListenerClosed
            | SocketChange::MonitorStopped => {}
        }
        None
    }

    fn step(&mut self, stage: Stage, now: Instant) {
        self.stage = stage;
        self.reopens_at = Some(now + self.patience);
    }

    fn retried(&mut self, now: Instant) -> Option<LinkChange> {
        let stage = self.stage;
        self.step(Stage::Waiting, now);
        match stage {
            Stage::Broken => None,
            // An attempt that was not even begun.
            Stage::Waiting if self.is_by_name => self.tell(LinkChange::NoRoute),
            _ => self.tell(LinkChange::NoAnswer),
        }
    }

    /// A handshake that failed; after some of them libzmq connects no more (`has_ended`).
    fn failed(&mut self, failure: HandshakeFailure, has_ended: bool, now: Instant) -> Option<LinkChange> {
        self.failed_handshakes = self.failed_handshakes.saturating_add(1);
        if has_ended || self.failed_handshakes > 1 {
            // libzmq would connect again after its shortest wait, however often it fails.
            self.stage = Stage::GivenUp;
            self.reopens_at = Some(now + self.pause);
        } else {
            self.step(Stage::Broken, now);
        }
        self.tell(LinkChange::HandshakeFailed(failure))
    }

    /// Once for each outage, also where two failures take turns.
    fn tell(&mut self, change: LinkChange) -> Option<LinkChange> {
        if self.told.contains(&change) || self.told.len() >= MAX_TOLD {
            return None;
        }
        self.told.push(change);
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(is_by_name: bool, now: Instant) -> Progress {
        Progress::new(&SocketSettings::default(), true, is_by_name, now)
    }

    fn reports(progress: &mut Progress, changes: &[SocketChange], now: Instant) -> Vec<LinkChange> {
        changes
            .iter()
            .filter_map(|change| progress.follow(*change, now))
            .collect()
    }

    #[test]
    fn an_outage_is_reported_once_and_its_end_too() {
        use SocketChange::{Connected, Connecting, Disconnected, Established, Retried};
        let now = Instant::now();
        let mut progress = progress(false, now);
        let first = [
            Connecting,
            Retried,
            Connecting,
            Retried,
            Connecting,
            Connected,
            Established,
        ];
        assert_eq!(
            reports(&mut progress, &first, now),
            [LinkChange::NoAnswer, LinkChange::Connected]
        );
        assert!(progress.is_established());
        assert_eq!(progress.reopens_at(), None);

        let again = [
            Disconnected,
            Retried,
            Connecting,
            Retried,
            Connecting,
            Connected,
            Established,
        ];
        assert_eq!(
            reports(&mut progress, &again, now),
            [
                LinkChange::Disconnected,
                LinkChange::NoAnswer,
                LinkChange::Connected
            ]
        );
    }

    #[test]
    fn a_break_that_is_mended_at_once_is_no_missing_answer() {
        use SocketChange::{Connected, Connecting, Disconnected, Established, Retried};
        let now = Instant::now();
        let mut progress = progress(true, now);
        reports(&mut progress, &[Connecting, Connected, Established], now);
        let changes = [Disconnected, Retried, Connecting, Connected, Established];
        assert_eq!(
            reports(&mut progress, &changes, now),
            [LinkChange::Disconnected, LinkChange::Connected]
        );
    }

    #[test]
    fn a_name_without_an_address_is_no_way() {
        use SocketChange::Retried;
        let now = Instant::now();
        let mut named = progress(true, now);
        assert_eq!(
            reports(&mut named, &[Retried, Retried], now),
            [LinkChange::NoRoute]
        );
        let mut numbered = progress(false, now);
        assert_eq!(reports(&mut numbered, &[Retried], now), [LinkChange::NoAnswer]);
    }

    #[test]
    fn a_refused_handshake_ends_connecting_for_a_pause() {
        use SocketChange::{Connected, Connecting, Disconnected, FailedByRefusal, Retried};
        let now = Instant::now();
        let settings = SocketSettings::default();
        let mut progress = progress(false, now);
        let changes = [Connecting, Connected, FailedByRefusal(400), Disconnected, Retried];
        let refused = LinkChange::HandshakeFailed(HandshakeFailure::Refused);
        assert_eq!(reports(&mut progress, &changes, now), [refused]);
        assert!(progress.has_given_up());
        assert_eq!(progress.reopens_at(), Some(now + settings.reconnect_max));

        let mut next = progress.again(&settings, now);
        assert!(!next.has_given_up());
        assert!(reports(&mut next, &changes, now).is_empty(), "reported already");
    }

    #[test]
    fn one_broken_handshake_is_left_to_libzmq_and_a_second_is_not() {
        use SocketChange::{Connected, Connecting, Disconnected, FailedWithoutDetail, Retried};
        let now = Instant::now();
        let mut progress = progress(false, now);
        let changes = [Connecting, Connected, FailedWithoutDetail, Disconnected, Retried];
        reports(&mut progress, &changes, now);
        assert!(!progress.has_given_up());
        reports(&mut progress, &changes, now);
        assert!(progress.has_given_up());
    }
}
