//! One thread of a worker: random operations, each written down before and after.

use guira_segment::{Add, Expiry, Fill, FillToken, Lookup, Put, Segment, Swap, Version};
use guira_shm::sync::Ordering;
use nix::time::{ClockId, clock_gettime};

use crate::linearize::event::{Action, Life, New, Outcome};
use crate::linearize::mix::{Kind, Mix};
use crate::linearize::tape::{HEAD_QUOTA, Tape};
use crate::linearize::value::{append_chunk, folded};
use crate::linearize::words::{
    ALL_KEYS, Look, MAIN_KEYS, SIDE_KEYS, delayed, digest, expiry, hit, key_name, number, replaced, tag_name,
    with_options,
};
use crate::linearize::world::World;
use crate::random::Random;

const MAX_KEYS: usize = 8;
/// Keys of one `get_many`.
const MANY: u8 = 3;

/// A version that was seen, and the value that had it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    value: u64,
    version: Version,
}

/// A token that is to be used.
#[derive(Clone, Copy, Debug)]
struct Held {
    key: u8,
    token: FillToken,
    began_ns: u64,
    refreshes: Option<u64>,
}

/// What a thread works with.
pub(crate) struct Client<'w> {
    pub(crate) world: &'w World,
    pub(crate) tape: &'w Tape,
    pub(crate) segment: &'w Segment,
    pub(crate) side: &'w Segment,
    pub(crate) row: usize,
    pub(crate) random: Random,
    /// Number of the next value or suffix, unique among all of a segment.
    pub(crate) next_chunk: u64,
    seen: [Option<Seen>; MAX_KEYS],
    held: Option<Held>,
}

/// The clock that all processes of the machine share; the engine's deadlines are its milliseconds.
pub(crate) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has had this clock since 2.6.39");
    (time.tv_sec() * 1_000_000_000 + time.tv_nsec()).cast_unsigned()
}

impl<'w> Client<'w> {
    pub(crate) const fn new(
        world: &'w World,
        tape: &'w Tape,
        segment: &'w Segment,
        side: &'w Segment,
        row: usize,
        random: Random,
        first_chunk: u64,
    ) -> Self {
        Self {
            world,
            tape,
            segment,
            side,
            row,
            random,
            next_chunk: first_chunk,
            seen: [None; MAX_KEYS],
            held: None,
        }
    }

    /// This thread's part of one history.
    pub(crate) fn play(&mut self, mix: &Mix) {
        self.seen = [None; MAX_KEYS];
        self.held = None;
        let quota = self.tape.head(HEAD_QUOTA).load(Ordering::Relaxed) as usize;
        let cold_percent = self.world.cold().1;
        while self.tape.count(self.row) < quota && self.tape.has_room(self.row, usize::from(MANY) + 1) {
            if self.random.below(100) < cold_percent {
                self.cold();
            } else {
                self.step(mix);
            }
            if self.random.one_in(24) {
                std::thread::yield_now();
            }
        }
    }

    fn step(&mut self, mix: &Mix) {
        let key = self.random.below(u64::from(self.world.keys)) as u8;
        match mix.choose(&mut self.random) {
            Kind::Get => self.get(key),
            Kind::GetInto => self.get_into(key),
            Kind::GetMany => self.get_many(key),
            Kind::Metadata => self.metadata(key),
            Kind::Put => self.put(key),
            Kind::Add => self.add(key),
            Kind::Replace => self.replace(key),
            Kind::Swap => self.swap(key),
            Kind::Derive if World::is_counter(key) => self.increment(key),
            Kind::Derive => self.append(key),
            Kind::Touch => self.touch(key),
            Kind::Expire => self.remove_with(key, Action::Expire, Segment::expire),
            Kind::Remove => self.remove_with(key, Action::Remove, Segment::remove),
            Kind::Invalidate => self.remove_with(key, Action::Invalidate, Segment::invalidate),
            Kind::InvalidateTag => {
                let tag = 1 + self.random.below(2) as u8;
                self.clear_with(Action::InvalidateTag(tag), ALL_KEYS, |segment| {
                    segment.invalidate_tag(tag_name(tag));
                });
            }
            Kind::Clear => {
                let scope = if World::is_side(key) { SIDE_KEYS } else { MAIN_KEYS };
                self.clear_with(Action::Clear, scope, Segment::clear);
            }
            Kind::ClearAll => self.clear_with(Action::Clear, ALL_KEYS, Segment::clear_all),
            Kind::Compute => self.compute(key),
        }
    }

    fn home(&self, key: u8) -> &'w Segment {
        if World::is_side(key) {
            self.side
        } else {
            self.segment
        }
    }

    /// Writes down `action`, does it, and writes down what came of it.
    fn recorded<R>(
        &mut self,
        key: u8,
        action: &Action,
        operation: impl FnOnce(&'w Segment) -> R,
        outcome: impl FnOnce(&mut Self, &R) -> Outcome,
    ) -> R {
        let segment = self.home(key);
        let index = self.tape.begin(self.row, key, now_ns(), action);
        let result = delayed(self.world, self.random.next(), || operation(segment));
        let ended_ns = now_ns();
        let outcome = outcome(self, &result);
        self.tape.end(self.row, index, ended_ns, &outcome);
        result
    }

    // ---- reading

    fn get(&mut self, key: u8) {
        let look = self.random.one_in(2);
        let value = self.recorded(
            key,
            &Action::Read,
            |segment| {
                segment
                    .get(&key_name(key))
                    .map(|value| Look::at(&value, key, look))
            },
            |_, look| look.as_ref().map_or(Outcome::Miss, Look::outcome),
        );
        self.see(key, value);
    }

    fn see(&mut self, key: u8, look: Option<Look>) {
        if let Some(look) = look
            && let Some(version) = look.version
            && let Some(seen) = self.seen.get_mut(usize::from(key))
        {
            let value = look.value;
            *seen = Some(Seen { value, version });
        }
    }

    fn get_into(&mut self, key: u8) {
        self.recorded(
            key,
            &Action::Read,
            |segment| {
                let mut buffer = Vec::new();
                segment.get_into(&key_name(key), &mut buffer).then_some(buffer)
            },
            |_, buffer| {
                buffer
                    .as_ref()
                    .map_or(Outcome::Miss, |buffer| hit(number(key, buffer)))
            },
        );
    }

    /// A few keys of one namespace, each a read of its own that lasts as long as the whole.
    fn get_many(&mut self, first: u8) {
        let keys: Vec<u8> = (0..MANY)
            .map(|step| first + 2 * step)
            .filter(|key| *key < self.world.keys)
            .collect();
        let names: Vec<[u8; 2]> = keys.iter().map(|key| key_name(*key)).collect();
        let names: Vec<&[u8]> = names.iter().map(<[u8; 2]>::as_slice).collect();
        let began_ns = now_ns();
        let records: Vec<usize> = keys
            .iter()
            .map(|key| self.tape.begin(self.row, *key, began_ns, &Action::Read))
            .collect();
        let mut values: Vec<Option<Vec<u8>>> = Vec::new();
        let segment = self.home(first);
        delayed(self.world, self.random.next(), || {
            segment.get_many(&names, |_, value| values.push(value.map(<[u8]>::to_vec)));
        });
        let ended_ns = now_ns();
        for ((key, record), value) in keys.iter().zip(records).zip(values) {
            let outcome = value.map_or(Outcome::Miss, |value| hit(number(*key, &value)));
            self.tape.end(self.row, record, ended_ns, &outcome);
        }
    }

    fn metadata(&mut self, key: u8) {
        self.recorded(
            key,
            &Action::Read,
            |segment| segment.metadata(&key_name(key)),
            |_, metadata| {
                metadata.map_or(Outcome::Miss, |metadata| Outcome::Hit {
                    value: None,
                    version: Some(digest(metadata.version)),
                    stale: Some(metadata.is_stale),
                })
            },
        );
    }

    // ---- writing

    /// A new value, its bytes, and what they stand for.
    fn fresh(&mut self, key: u8) -> (Vec<u8>, u64) {
        self.next_chunk += 1;
        if World::is_counter(key) {
            // Far enough apart that sums of other values never meet it.
            let number = (folded(0, self.next_chunk) >> 14).cast_signed();
            return (number.to_string().into_bytes(), number.cast_unsigned());
        }
        let mut bytes = Vec::new();
        append_chunk(self.next_chunk, self.world.max_filling_bytes(), &mut bytes);
        (bytes, folded(0, self.next_chunk))
    }

    fn life(&mut self, with_soft: bool) -> Life {
        let (hard_ms, soft_ms) = match self.random.below(20) {
            0..=2 => (1 + self.random.below(3) as u32, 0),
            3 | 4 if with_soft => (60_000, 1 + self.random.below(2) as u32),
            5 => (60_000, 0),
            _ => (0, 0),
        };
        Life { hard_ms, soft_ms }
    }

    fn new_value(&mut self, key: u8, with_soft: bool) -> (Vec<u8>, New) {
        let (bytes, value) = self.fresh(key);
        let tag = self.random.below(6).saturating_sub(3) as u8;
        let tag = if tag > 2 { 0 } else { tag };
        let life = self.life(with_soft);
        (bytes, New { value, tag, life })
    }

    fn put(&mut self, key: u8) {
        let (bytes, new) = self.new_value(key, true);
        self.recorded(
            key,
            &Action::Put(new),
            |segment| with_options(&new, |options| segment.put_with(&key_name(key), &bytes, options)),
            |_, put| match put {
                Ok(Put::Stored) => Outcome::Stored,
                Ok(Put::Superseded) => Outcome::Superseded,
                Err(_) => Outcome::Failed,
            },
        )
        .ok();
    }

    fn add(&mut self, key: u8) {
        let (bytes, new) = self.new_value(key, true);
        self.recorded(
            key,
            &Action::Add(new),
            |segment| with_options(&new, |options| segment.add(&key_name(key), &bytes, options)),
            |_, add| match add {
                Ok(Add::Stored) => Outcome::Stored,
                Ok(Add::Exists) => Outcome::Exists,
                Ok(Add::Superseded) => Outcome::Superseded,
                Err(_) => Outcome::Failed,
            },
        )
        .ok();
    }

    fn replace(&mut self, key: u8) {
        let (bytes, new) = self.new_value(key, true);
        self.recorded(
            key,
            &Action::Replace(new),
            |segment| with_options(&new, |options| segment.replace(&key_name(key), &bytes, options)),
            |_, replace| replaced(replace),
        )
        .ok();
    }

    fn swap(&mut self, key: u8) {
        let Some(seen) = self.seen.get(usize::from(key)).copied().flatten() else {
            return self.get(key);
        };
        let (bytes, new) = self.new_value(key, false);
        let action = Action::Swap {
            expected: seen.value,
            version: digest(seen.version),
            new,
        };
        self.recorded(
            key,
            &action,
            |segment| {
                with_options(&new, |options| {
                    segment.compare_and_swap(&key_name(key), seen.version, &bytes, options)
                })
            },
            |_, swap| match swap {
                Ok(Swap::Stored) => Outcome::Stored,
                Ok(Swap::NotFound) => Outcome::NotFound,
                Ok(Swap::Conflict(version)) => Outcome::Conflict(digest(*version)),
                Ok(Swap::Superseded) => Outcome::Superseded,
                Err(_) => Outcome::Failed,
            },
        )
        .ok();
    }

    fn increment(&mut self, key: u8) {
        let delta = 1 + self.random.below(5).cast_signed();
        let initial = self.random.one_in(2).then(|| self.fresh(key).1.cast_signed());
        let life = self.life(false);
        self.recorded(
            key,
            &Action::Increment { delta, initial, life },
            |segment| segment.increment(&key_name(key), delta, initial, expiry(life)),
            |_, sum| match sum {
                Ok(Some(sum)) => Outcome::Sum(*sum),
                Ok(None) => Outcome::NotFound,
                Err(_) => Outcome::Failed,
            },
        )
        .ok();
    }

    fn append(&mut self, key: u8) {
        self.next_chunk += 1;
        let suffix = self.next_chunk;
        let mut bytes = Vec::new();
        append_chunk(suffix, self.world.max_filling_bytes() / 4, &mut bytes);
        self.recorded(
            key,
            &Action::Append { suffix },
            |segment| segment.append(&key_name(key), &bytes),
            |_, append| replaced(append),
        )
        .ok();
    }

    fn touch(&mut self, key: u8) {
        let life = self.life(true);
        self.recorded(
            key,
            &Action::Touch(life),
            |segment| segment.touch(&key_name(key), expiry(life)),
            |_, touch| replaced(touch),
        )
        .ok();
    }

    fn remove_with(&mut self, key: u8, action: Action, how: impl FnOnce(&Segment, &[u8]) -> bool) {
        self.recorded(
            key,
            &action,
            |segment| how(segment, &key_name(key)),
            |_, was| Outcome::Was(*was),
        );
    }

    /// `scope` stands in the place of the key, and says which keys it is about.
    fn clear_with(&mut self, action: Action, scope: u8, how: impl FnOnce(&Segment)) {
        let key = if scope == SIDE_KEYS { 1 } else { 0 };
        let segment = self.home(key);
        let record = self.tape.begin(self.row, scope, now_ns(), &action);
        delayed(self.world, self.random.next(), || how(segment));
        self.tape.end(self.row, record, now_ns(), &Outcome::Done);
    }

    // ---- computing

    /// Takes a token, or fills with the one that is held.
    fn compute(&mut self, key: u8) {
        match self.held.take() {
            Some(held) => self.fill(&held),
            None if self.random.one_in(3) => {
                let began_ns = now_ns();
                let record = self.tape.begin(self.row, key, began_ns, &Action::Token);
                let segment = self.home(key);
                let token = delayed(self.world, self.random.next(), || {
                    segment.fill_token(&key_name(key))
                });
                self.tape.end(self.row, record, now_ns(), &Outcome::Done);
                self.held = Some(Held {
                    key,
                    token,
                    began_ns,
                    refreshes: None,
                });
            }
            None => self.lookup(key),
        }
    }

    /// Written down as the taking of a token and a read, which last equally long.
    fn lookup(&mut self, key: u8) {
        let began_ns = now_ns();
        let token_record = self.tape.begin(self.row, key, began_ns, &Action::Token);
        let read_record = self.tape.begin(self.row, key, began_ns, &Action::Read);
        let segment = self.home(key);
        let (look, token) = delayed(self.world, self.random.next(), || {
            match segment.lookup(&key_name(key)) {
                Lookup::Hit(value) => (Some(Look::at(&value, key, true)), None),
                Lookup::Stale(value, token) => (Some(Look::at(&value, key, true)), Some(token)),
                Lookup::Miss(token) => (None, Some(token)),
            }
        });
        let ended_ns = now_ns();
        let outcome = look.as_ref().map_or(Outcome::Miss, Look::outcome);
        self.tape.end(self.row, token_record, ended_ns, &Outcome::Done);
        self.tape.end(self.row, read_record, ended_ns, &outcome);
        self.held = token.map(|token| Held {
            key,
            token,
            began_ns,
            refreshes: look.as_ref().map(|look| look.value),
        });
        self.see(key, look);
    }

    fn fill(&mut self, held: &Held) {
        let (bytes, new) = self.new_value(held.key, false);
        let action = Action::Fill {
            token_began_ns: held.began_ns,
            refreshes: held.refreshes,
            new,
        };
        self.recorded(
            held.key,
            &action,
            |segment| {
                with_options(&new, |options| {
                    segment.fill(&key_name(held.key), &bytes, &held.token, options)
                })
            },
            |_, fill| match fill {
                Ok(Fill::Stored) => Outcome::Stored,
                Ok(Fill::Superseded) => Outcome::Superseded,
                Err(_) => Outcome::Failed,
            },
        )
        .ok();
    }

    // ---- for good measure

    /// Keys that nobody judges keep the index and the log in motion.
    fn cold(&mut self) {
        let key = self.random.below(self.world.cold().0);
        let name = [b'c', key as u8, (key >> 8) as u8];
        if self.random.one_in(4) {
            self.segment.remove(&name);
        } else {
            let (bytes, _) = self.fresh(0);
            // Refused for lack of room now and then: that is what they are for.
            let _ = self.segment.put(&name, &bytes, Expiry::never());
        }
    }
}
