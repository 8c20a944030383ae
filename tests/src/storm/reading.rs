//! A storm's reads.

use crate::record::read_value;
use crate::storm::kind::Kind;
use crate::storm::worker::{Hand, KEPT_GUARDS, key_bytes};

impl Hand<'_> {
    pub(super) fn get(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let value = self.timed(Kind::Get, || home.get(&name));
        self.seen(key, value.as_deref(), "get");
        if let Some(value) = value
            && self.random.one_in(100)
        {
            if self.guards.len() >= KEPT_GUARDS {
                self.release_guard();
            }
            self.guards.push_back((key, value));
        }
    }

    /// A guard's bytes are the same as long as it stands.
    pub(super) fn release_guard(&mut self) {
        let Some((key, value)) = self.guards.pop_front() else {
            return;
        };
        if let Err(damage) = read_value(&value, key) {
            self.journal.wrong(&format!(
                "the bytes under a guard of key {key} changed: {damage:?}"
            ));
        }
        self.timed(Kind::Release, || drop(value));
    }

    pub(super) fn get_into(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let mut buffer = Vec::new();
        let is_hit = self.timed(Kind::GetInto, || home.get_into(&name, &mut buffer));
        self.seen(key, is_hit.then_some(buffer.as_slice()), "get_into");
    }

    pub(super) fn get_many(&mut self, first: u64) {
        let ids: Vec<u64> = (0..16)
            .map(|step| (first + step * 7) % self.keys)
            .filter(|&key| !Self::is_side(key))
            .collect();
        let names: Vec<Vec<u8>> = ids.iter().map(|&key| key_bytes(key)).collect();
        let keys: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let mut values: Vec<Option<Vec<u8>>> = Vec::new();
        let segment = self.segment;
        self.timed(Kind::GetMany, || {
            segment.get_many(&keys, |_, value| values.push(value.map(<[u8]>::to_vec)));
        });
        for (key, value) in ids.into_iter().zip(values) {
            self.seen(key, value.as_deref(), "get_many");
        }
    }

    pub(super) fn peek(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        match self.random.below(4) {
            0 => drop(self.timed(Kind::Peek, || home.metadata(&name))),
            1 => drop(self.timed(Kind::Peek, || home.ttl(&name))),
            2 => drop(self.timed(Kind::Peek, || home.contains(&name))),
            _ => drop(self.timed(Kind::Peek, || home.tags(&name))),
        }
    }
}
