//! What a broker says to the log of its process: who came, who went, who was refused and why.
//!
//! What is refused comes again and again: it is said once in a while.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::time::Instant;

use crate::core::BrokerNews;
use crate::transport::PeerId;
use crate::transport::said::Said;
use crate::wire::{FrameError, Refusal};

/// How many hosts' refusals are told apart.
const MAX_HOSTS: usize = 1024;

/// When what was said last.
#[derive(Debug, Default)]
pub(super) struct Journal {
    refused: HashMap<(String, Discriminant<Refusal>), Said>,
    bad_frames: HashMap<Discriminant<FrameError>, Said>,
}

impl Journal {
    pub(super) fn news(&mut self, news: &BrokerNews) {
        match news {
            BrokerNews::Joined { origin, host } => tracing::info!(%host, %origin, "joined"),
            BrokerNews::Gone {
                origin,
                host,
                in_order: true,
            } => tracing::info!(%host, %origin, "left"),
            BrokerNews::Gone { origin, host, .. } => {
                tracing::warn!(%host, %origin, "gone: nothing was heard of it for too long");
            }
            BrokerNews::Lost { origin, tickets } => tracing::warn!(
                %origin, tickets,
                "a host lost records before they were sent: every host forgets what it had cached before"
            ),
            BrokerNews::Refused { host, reason } => {
                if self.refused.len() >= MAX_HOSTS {
                    self.refused.clear();
                }
                let said = self
                    .refused
                    .entry((host.clone(), discriminant(reason)))
                    .or_default();
                if let Some(unsaid) = said.again(Instant::now()) {
                    tracing::warn!(%host, unsaid, "refused: {reason}");
                }
            }
        }
    }

    pub(super) fn bad_frame(&mut self, from: PeerId, error: &FrameError) {
        let said = self.bad_frames.entry(discriminant(error)).or_default();
        if let Some(unsaid) = said.again(Instant::now()) {
            tracing::warn!(connection = %from, unsaid, "dropped {error}");
        }
    }
}
