//! Who is there: every origin that was heard of late, how far its publication came, and what it reported.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Peer;
use super::known::Knowers;
use crate::core::agent::AgentSettings;
use crate::core::mutant::Mutant;
use crate::wire::{Hello, MAX_MEMBER_STATUSES, MemberStatus, Origin};

/// A host.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: Peer,
    pub(crate) host: String,
    pub(crate) machine: u64,
    /// The next ticket that is expected.
    pub(crate) next: u64,
    /// The head it named when it was met: complete when that is reached.
    complete_at: u64,
    /// The position of the last of its records.
    pub(crate) position: u64,
    reach_us: u64,
    /// Since when the reach grows.
    met_at_us: u64,
    pub(crate) heard_at_us: u64,
    /// When its last question was answered.
    pub(crate) answered_at_us: Option<u64>,
    /// How far it applied the stream, as it last reported.
    pub(crate) applied: u64,
    bound_us: u64,
    /// The version of the list with which it was added.
    pub(crate) since_version: u64,
    /// The version that it reported to know.
    known_version: u64,
    /// Whether everybody was seen to know it.
    is_known: bool,
    /// Whether hosts that trust by what the last life said have it on their lists.
    was_known: bool,
}

impl Member {
    pub(crate) const fn is_complete(&self) -> bool {
        self.next >= self.complete_at
    }

    /// What was accepted of it before is not all in the log.
    pub(crate) const fn begin_reach(&mut self, now_us: u64) {
        self.reach_us = 0;
        self.met_at_us = now_us;
    }
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Members {
    of_origin: BTreeMap<Origin, Member>,
    of_peer: HashMap<Peer, Origin>,
    /// The next tickets of those who were forgotten.
    forgotten: HashMap<Origin, u64>,
    /// Origins that others know and that have not said hello, until when they are waited for.
    expected: HashMap<Origin, u64>,
    /// Those that were not yet seen to be known by everybody.
    unknown: BTreeSet<Origin>,
    knowers: Knowers,
    version: u64,
}

/// How many forgotten origins' tickets are kept.
const MAX_FORGOTTEN: usize = 65_536;

impl Members {
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn len(&self) -> usize {
        self.of_origin.len()
    }

    pub(crate) fn origin_of(&self, peer: Peer) -> Option<Origin> {
        self.of_peer.get(&peer).copied()
    }

    pub(crate) fn get(&self, origin: Origin) -> Option<&Member> {
        self.of_origin.get(&origin)
    }

    pub(crate) fn get_mut(&mut self, origin: Origin) -> Option<&mut Member> {
        self.of_origin.get_mut(&origin)
    }

    pub(crate) fn origins(&self) -> Vec<Origin> {
        self.of_origin.keys().copied().collect()
    }

    pub(crate) fn incomplete(&self) -> Vec<Origin> {
        self.of_origin
            .iter()
            .filter(|(_, member)| !member.is_complete())
            .map(|(&origin, _)| origin)
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Origin, &Member)> {
        self.of_origin.iter()
    }

    /// The longest bound that any host trusts by.
    pub(crate) fn longest_bound_us(&self) -> u64 {
        self.of_origin
            .values()
            .map(|member| member.bound_us)
            .max()
            .unwrap_or(0)
    }

    /// The next ticket that is expected of an origin, present or forgotten.
    pub(crate) fn known_next(&self, origin: Origin) -> Option<u64> {
        self.of_origin
            .get(&origin)
            .map(|member| member.next)
            .or_else(|| self.forgotten.get(&origin).copied())
    }

    /// Takes a host in, or back, or its new agent; says whether the list changed.
    pub(crate) fn meet(
        &mut self,
        now_us: u64,
        peer: Peer,
        hello: &Hello,
        expected_until_us: u64,
        was_known: bool,
    ) -> bool {
        for &origin in &hello.members {
            if !self.of_origin.contains_key(&origin) && self.expected.len() < crate::wire::MAX_MEMBERS {
                self.expected.entry(origin).or_insert(expected_until_us);
            }
        }
        self.expected.remove(&hello.origin);
        if let Some(member) = self.of_origin.get_mut(&hello.origin) {
            let before = std::mem::replace(&mut member.peer, peer);
            member.heard_at_us = now_us;
            member.was_known |= was_known;
            member.bound_us = member
                .bound_us
                .max(hello.bound_us.min(AgentSettings::LONGEST_BOUND_US));
            self.leave_peer(before, hello.origin);
            self.of_peer.insert(peer, hello.origin);
            return false;
        }
        self.version += 1;
        let next = self
            .forgotten
            .remove(&hello.origin)
            .map_or(hello.first, |next| next.max(hello.first));
        let member = Member {
            peer,
            host: hello.host.clone(),
            machine: hello.machine,
            next,
            complete_at: hello.head,
            position: 0,
            reach_us: hello.reach_us,
            met_at_us: now_us,
            heard_at_us: now_us,
            answered_at_us: None,
            applied: 0,
            bound_us: hello.bound_us.min(AgentSettings::LONGEST_BOUND_US),
            since_version: self.version,
            known_version: 0,
            is_known: false,
            was_known,
        };
        self.of_origin.insert(hello.origin, member);
        self.of_peer.insert(peer, hello.origin);
        self.unknown.insert(hello.origin);
        self.knowers.meet(hello.origin);
        true
    }

    /// Notes which version of the list a host knows.
    pub(crate) fn report(&mut self, origin: Origin, version: u64) {
        if let Some(member) = self.of_origin.get_mut(&origin) {
            member.known_version = member.known_version.max(version.min(self.version));
        }
    }

    /// Whether every other host has `origin` on its list; once so, always so. A life that is not ripe has not met all
    /// of them: then it holds of those only that were known to the last one.
    pub(crate) fn is_known(&mut self, now_us: u64, origin: Origin, is_ripe: bool) -> bool {
        let Some(member) = self.of_origin.get(&origin) else {
            return false;
        };
        if member.is_known || Mutant::AcceptedUnknown.is_on() {
            return true;
        }
        if !is_ripe && !member.was_known && !Mutant::StrangerAccepted.is_on() {
            return false;
        }
        let since = member.since_version;
        self.look_who_knows(now_us);
        let is_known = self.expected.is_empty() && self.knowers.least_but_of(origin) >= since;
        if is_known && let Some(member) = self.of_origin.get_mut(&origin) {
            member.is_known = true;
            self.unknown.remove(&origin);
        }
        is_known
    }

    fn look_who_knows(&mut self, now_us: u64) {
        if !self.knowers.is_due(now_us, self.of_origin.len()) {
            return;
        }
        self.expected.retain(|_, &mut until_us| until_us > now_us);
        let versions = self
            .of_origin
            .iter()
            .map(|(&origin, member)| (member.known_version, origin));
        self.knowers.look(now_us, versions);
    }

    /// Those whose records wait to be accepted.
    pub(crate) fn unknown(&self) -> Vec<Origin> {
        self.unknown.iter().copied().collect()
    }

    /// A connection may speak for another origin by now: its host got a new identity.
    fn leave_peer(&mut self, peer: Peer, origin: Origin) {
        if self.of_peer.get(&peer) == Some(&origin) {
            self.of_peer.remove(&peer);
        }
    }

    /// Says which host it was.
    pub(crate) fn forget(&mut self, origin: Origin) -> Option<String> {
        let member = self.of_origin.remove(&origin)?;
        self.leave_peer(member.peer, origin);
        self.unknown.remove(&origin);
        if self.forgotten.len() < MAX_FORGOTTEN {
            self.forgotten.insert(origin, member.next);
        }
        self.version += 1;
        Some(member.host)
    }

    /// Forgets who was silent since before `since_us`; says who.
    pub(crate) fn forget_silent(&mut self, since_us: u64) -> Vec<(Origin, String)> {
        let silent: Vec<Origin> = self
            .of_origin
            .iter()
            .filter(|(_, member)| member.heard_at_us < since_us)
            .map(|(&origin, _)| origin)
            .collect();
        silent
            .into_iter()
            .filter_map(|origin| Some((origin, self.forget(origin)?)))
            .collect()
    }

    /// Everything that the complete hosts had accepted within this time was published here.
    pub(crate) fn reach_us(&self, now_us: u64) -> u64 {
        self.of_origin
            .values()
            .filter(|member| member.is_complete())
            .map(|member| member.reach_us.saturating_add(now_us - member.met_at_us))
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Of those that are furthest behind first, as many as a frame takes.
    pub(crate) fn statuses(&self, now_us: u64) -> Vec<MemberStatus> {
        let mut members: Vec<(&Origin, &Member)> = self.of_origin.iter().collect();
        members.sort_by_key(|(_, member)| member.applied);
        members
            .into_iter()
            .take(MAX_MEMBER_STATUSES)
            .map(|(&origin, member)| MemberStatus {
                origin,
                host: member.host.clone(),
                next: member.next,
                applied: member.applied,
                silent_us: now_us.saturating_sub(member.heard_at_us),
            })
            .collect()
    }
}
