//! The workers of hosts: they read, compute, write, and are looked at.

use super::*;

impl World {
    pub(super) fn work(&mut self, host: usize, life: u64) {
        let is_here = self
            .hosts
            .get(host)
            .is_some_and(|node| node.life == life && node.is_up);
        // The last seconds are quiet: what does not come by itself must not wait for what comes after.
        if !is_here || self.now_us > self.plan.calm_us + QUIET_AFTER_US {
            return;
        }
        self.look(host);
        let key = self.rng.usize(..self.plan.keys);
        match self.rng.u8(..100) {
            0..=54 => self.begin_fill(host, life, key),
            55..=89 => self.write(host, life, RecordKind::Invalidate, key),
            90..=95 if self.plan.is_narrow => self.write(host, life, RecordKind::Invalidate, key),
            90..=92 => self.write(host, life, RecordKind::Tag, key % TAGS as usize),
            93..=94 => self.write(host, life, RecordKind::Namespace, key % 3),
            95 => self.write(host, life, RecordKind::Clear, 0),
            96..=97 => {
                if let Some(node) = self
                    .hosts
                    .get_mut(host)
                    .filter(|_| self.now_us < self.plan.calm_us)
                {
                    node.segment.opened = (node.segment.opened + 1).min(3);
                }
            }
            _ => {
                if let Some(node) = self.hosts.get_mut(host) {
                    node.segment.void();
                }
            }
        }
        let delay_us = self.rng.u64(1..self.plan.op_every_us * 2);
        self.after(delay_us, Event::Work { host, life });
    }

    pub(super) fn begin_fill(&mut self, host: usize, life: u64, key: usize) {
        let Some(node) = self.hosts.get(host).filter(|node| key % 3 < node.segment.opened) else {
            return;
        };
        if node.segment.get(key).is_none() {
            let birth = node.segment.clock();
            if self.asks_cluster(host, key) {
                return;
            }
            let delay_us = self.rng.u64(1..5_000);
            self.after(
                delay_us,
                Event::Source {
                    host,
                    life,
                    key,
                    birth,
                },
            );
        }
    }

    /// Writes the source of everything that the record names, then tells.
    pub(super) fn write(&mut self, host: usize, life: u64, kind: RecordKind, which: usize) {
        let keys: Vec<usize> = (0..self.plan.keys)
            .filter(|key| match kind {
                RecordKind::Tag => key % TAGS as usize == which,
                RecordKind::Namespace => key % 3 == which,
                RecordKind::Clear => true,
                _ => *key == which,
            })
            .collect();
        let mut told = Vec::new();
        for key in keys {
            if let Some(version) = self.source.get_mut(key) {
                *version += 1;
                told.push((key, *version));
            }
        }
        let delay_us = self.rng.u64(1..1_000);
        self.after(
            delay_us,
            Event::Told {
                host,
                life,
                kind,
                which,
                told,
            },
        );
    }

    pub(super) fn tell(
        &mut self,
        host: usize,
        life: u64,
        kind: RecordKind,
        which: usize,
        told: Vec<(usize, u64)>,
    ) {
        let dies = self.rng.u8(..50) == 0;
        if let Some(node) = self
            .hosts
            .get_mut(host)
            .filter(|node| node.life == life && node.is_up)
        {
            self.counts.invalidations += 1;
            for &(key, version) in told.iter().filter(|_| !dies) {
                if let Some(newest) = node.told_here.get_mut(key) {
                    *newest = (*newest).max(version);
                }
            }
            node.segment.invalidate(kind, which, told, dies);
        }
    }

    /// Takes note of what a host was promised, and looks at everything it would give out.
    pub(super) fn look(&mut self, host: usize) {
        let now_us = self.host_clock(host);
        let Some(node) = self.hosts.get_mut(host) else {
            return;
        };
        let (accepted, settled) = node.segment.news();
        for (key, version) in accepted {
            self.counts.accepted += 1;
            self.oracle.accepted(self.now_us, key, version);
        }
        for (key, version) in settled {
            self.counts.settled += 1;
            self.oracle.settled(key, version);
        }
        let Some(node) = self.hosts.get(host).filter(|node| node.is_up) else {
            return;
        };
        for key in 0..self.plan.keys {
            let Some(value) = node.segment.get(key) else {
                continue;
            };
            let promised = node.told_here.get(key).copied().unwrap_or(0);
            if value.version < promised {
                self.violation.get_or_insert(Violation {
                    at_us: self.now_us,
                    host,
                    key,
                    version: value.version,
                    promised,
                    by: "invalidated on this host",
                });
            }
            if !node.segment.is_trusted(key, now_us) {
                self.counts.untrusted_hits += 1;
                continue;
            }
            self.counts.trusted_hits += 1;
            if let Some(violation) = self.oracle.judge(self.now_us, host, key, value.version) {
                self.violation.get_or_insert(violation);
            }
        }
    }
}
