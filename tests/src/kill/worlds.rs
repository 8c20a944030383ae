//! Which histories of one key are still possible, after what was observed of it.
//!
//! One operation is in flight (its process is stopped, or dead): it may take effect at any moment
//! from its beginning on, once or never. Everybody else acts one after the other. A world is what the
//! key holds and whether the operation has taken effect; an observation that fits no world is an
//! anomaly.

use super::effect::{Answer, Effect, Since, Value};

/// Something that was done by a survivor, with its answer, or seen of the operation in flight.
#[derive(Clone, Debug)]
pub enum Observed {
    /// A read.
    Read(Option<Value>),
    /// A put that was stored, or superseded.
    Put(Value, Answer),
    /// An add.
    Added(Value, Answer),
    /// A fill with a token that was taken just before, after a miss.
    Filled(Value, Answer),
    /// A removal: whether there was a value.
    Removed(bool),
    /// An invalidation of the key.
    Invalidated(bool),
    /// An invalidation of a tag or namespace that covers the key, or of everything.
    Swept,
    /// An increment and its sum.
    Incremented(i64, Option<i64>),
    /// An increment of something that is no number.
    NotANumber,
    /// An append.
    Appended(Vec<u8>, Answer),
    /// A touch.
    Touched(Answer),
    /// An expire: whether there was a value.
    Expired(bool),
    /// The operation in flight ended, with this answer.
    Finished(Answer),
}

#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
struct World {
    value: Option<Value>,
    /// What the operation in flight answers, once it has taken effect.
    answer: Option<Answer>,
    /// An operation of a process that died before may still take effect.
    is_earlier_pending: bool,
}

/// The possible worlds of one key.
#[derive(Clone, Debug)]
pub struct Worlds {
    worlds: Vec<World>,
    effect: Effect,
    earlier: Effect,
    since: Since,
    is_lossy: bool,
}

impl Worlds {
    /// The key holds `value`, and an operation that does `effect` begins.
    #[must_use]
    pub fn new(value: Option<Value>, effect: Effect) -> Self {
        Self {
            worlds: vec![World {
                value,
                answer: None,
                is_earlier_pending: false,
            }],
            effect,
            earlier: Effect::Nothing,
            since: Since::default(),
            is_lossy: false,
        }
    }

    /// The same, after a process died in the middle of an operation that does `earlier`.
    #[must_use]
    pub fn after_death_in(mut self, earlier: Effect) -> Self {
        for world in &mut self.worlds {
            world.is_earlier_pending = earlier != Effect::Nothing;
        }
        self.earlier = earlier;
        self
    }

    /// From here on the key may be evicted at any moment.
    pub fn become_lossy(&mut self) {
        self.is_lossy = true;
    }

    /// Takes in one observation.
    ///
    /// # Errors
    /// No world fits it; says which there were. After that nothing is known of the key, and everything
    /// fits.
    pub fn observe(&mut self, observed: &Observed) -> Result<(), String> {
        if self.worlds.is_empty() {
            return Ok(());
        }
        self.let_time_pass();
        let mut next: Vec<World> = Vec::new();
        for world in &self.worlds {
            next.extend(self.after(world, observed));
        }
        if next.is_empty() {
            let worlds = std::mem::take(&mut self.worlds);
            return Err(format!(
                "{observed:?} fits none of {worlds:?} (in flight: {:?}, {:?})",
                self.effect, self.since
            ));
        }
        next.sort();
        next.dedup();
        self.worlds = next;
        match observed {
            Observed::Read(_)
            | Observed::Finished(_)
            | Observed::Incremented(_, None)
            | Observed::NotANumber
            | Observed::Appended(_, Answer::Refused)
            | Observed::Touched(Answer::Refused) => {}
            Observed::Invalidated(_) | Observed::Swept => {
                self.since.written = true;
                self.since.invalidated = true;
            }
            Observed::Filled(..) => self.since.stored = true,
            Observed::Removed(_) => self.since.written = true,
            Observed::Expired(_) => self.since.expired = true,
            _ => {
                self.since.written = true;
                self.since.stored = true;
            }
        }
        Ok(())
    }

    /// Every world in which nothing more happens, an operation takes effect, or the key is evicted.
    fn let_time_pass(&mut self) {
        let mut worlds = std::mem::take(&mut self.worlds);
        // Twice: the two operations may take effect in either order.
        for _ in 0..2 {
            if self.is_lossy {
                self.add_losses(&mut worlds);
            }
            for world in worlds.clone() {
                if world.is_earlier_pending {
                    for (value, _) in self.earlier.of(world.value.as_ref(), self.since) {
                        worlds.push(World {
                            value,
                            is_earlier_pending: false,
                            ..world
                        });
                    }
                }
                if world.answer.is_some() {
                    continue;
                }
                for (value, answer) in self.effect.of(world.value.as_ref(), self.since) {
                    worlds.push(World {
                        value,
                        answer: Some(answer),
                        ..world
                    });
                }
                if self.is_lossy {
                    worlds.push(World {
                        value: None,
                        answer: Some(Answer::NoSpace),
                        ..world
                    });
                }
            }
            worlds.sort();
            worlds.dedup();
        }
        if self.is_lossy {
            self.add_losses(&mut worlds);
            worlds.sort();
            worlds.dedup();
        }
        self.worlds = worlds;
    }

    fn add_losses(&self, worlds: &mut Vec<World>) {
        for world in worlds.clone() {
            worlds.push(World { value: None, ..world });
        }
    }

    /// What `observed` makes of a world; nothing if it does not fit.
    fn after(&self, world: &World, observed: &Observed) -> Vec<World> {
        let with = |value: Option<Value>| World {
            value,
            ..world.clone()
        };
        let by = |effect: &Effect, answered: Answer| -> Vec<World> {
            // A survivor's own operation began after everything else: nothing supersedes it but the
            // invalidation in flight.
            effect
                .of(world.value.as_ref(), Since::default())
                .into_iter()
                .filter(|(_, answer)| *answer == answered)
                .map(|(value, _)| with(value))
                .collect()
        };
        let superseded = |answer: Answer| answer == Answer::Superseded && self.effect.invalidates();
        match observed {
            Observed::Read(seen) => {
                if *seen == world.value {
                    vec![world.clone()]
                } else {
                    Vec::new()
                }
            }
            Observed::Put(_, answer) | Observed::Added(_, answer) | Observed::Filled(_, answer)
                if superseded(*answer) =>
            {
                vec![with(None), world.clone()]
            }
            Observed::Put(value, answer) => by(&Effect::Put(value.clone()), *answer),
            Observed::Added(value, answer) => by(&Effect::Add(value.clone()), *answer),
            Observed::Filled(value, answer) => by(&Effect::Fill(value.clone()), *answer),
            Observed::Removed(was_present) | Observed::Invalidated(was_present) => {
                if *was_present == world.value.is_some() {
                    vec![with(None)]
                } else {
                    Vec::new()
                }
            }
            Observed::Swept => vec![with(None)],
            Observed::Incremented(delta, sum) => {
                let answer = if sum.is_some() {
                    Answer::Done
                } else {
                    Answer::Refused
                };
                let bytes = sum.map(|sum| sum.to_string().into_bytes());
                by(&Effect::Increment(*delta, None), answer)
                    .into_iter()
                    .filter(|next| {
                        sum.is_none() || next.value.as_ref().map(|value| &value.bytes) == bytes.as_ref()
                    })
                    .collect()
            }
            Observed::NotANumber => match &world.value {
                Some(value) if value.number().is_none() => vec![world.clone()],
                _ => Vec::new(),
            },
            Observed::Appended(suffix, answer) => by(&Effect::Append(suffix.clone()), *answer),
            Observed::Touched(answer) => by(&Effect::Touch, *answer),
            Observed::Expired(was_present) => by(
                &Effect::Expire,
                if *was_present {
                    Answer::Done
                } else {
                    Answer::Refused
                },
            ),
            Observed::Finished(answer) => {
                if world.answer == Some(*answer) {
                    vec![world.clone()]
                } else {
                    Vec::new()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &[u8]) -> Observed {
        Observed::Put(Value::of(bytes), Answer::Done)
    }

    fn read(bytes: &[u8]) -> Observed {
        Observed::Read(Some(Value::of(bytes)))
    }

    fn all_fit(mut worlds: Worlds, history: &[Observed]) -> bool {
        history.iter().all(|observed| worlds.observe(observed).is_ok())
    }

    fn put_in_flight() -> Worlds {
        Worlds::new(Some(Value::of(b"old")), Effect::Put(Value::of(b"new")))
    }

    #[test]
    fn a_put_in_flight_may_have_happened_or_not_but_never_half() {
        assert!(all_fit(put_in_flight(), &[read(b"old")]));
        assert!(all_fit(put_in_flight(), &[read(b"new")]));
        assert!(all_fit(put_in_flight(), &[read(b"old"), read(b"new")]));
        assert!(!all_fit(put_in_flight(), &[read(b"ne")]));
        assert!(!all_fit(put_in_flight(), &[Observed::Read(None)]));
    }

    #[test]
    fn what_was_seen_is_never_unseen() {
        assert!(!all_fit(put_in_flight(), &[read(b"new"), read(b"old")]));
        assert!(!all_fit(put_in_flight(), &[put(b"later"), read(b"old")]));
    }

    #[test]
    fn a_value_from_before_an_invalidation_never_comes_back() {
        let invalidated = Observed::Invalidated(true);
        assert!(all_fit(
            put_in_flight(),
            &[invalidated.clone(), Observed::Read(None)]
        ));
        assert!(!all_fit(put_in_flight(), &[invalidated, read(b"new")]));
        let removed = Observed::Removed(true);
        assert!(all_fit(put_in_flight(), &[removed, read(b"new")]));
    }

    #[test]
    fn an_operation_takes_effect_once() {
        let worlds = Worlds::new(Some(Value::of(b"1")), Effect::Increment(1, None));
        let twice = [read(b"2"), put(b"5"), read(b"6")];
        assert!(!all_fit(worlds.clone(), &twice));
        let after_the_put = [read(b"1"), put(b"5"), read(b"6")];
        assert!(all_fit(worlds, &after_the_put));
    }

    #[test]
    fn what_is_a_number_is_not_refused_as_none() {
        let of = |bytes: &[u8]| Worlds::new(Some(Value::of(bytes)), Effect::Nothing);
        assert!(all_fit(of(b"old"), &[Observed::NotANumber]));
        assert!(!all_fit(of(b"10"), &[Observed::NotANumber]));
        let absent = Worlds::new(None, Effect::Nothing);
        assert!(!all_fit(absent, &[Observed::NotANumber]));
    }

    #[test]
    fn the_answer_must_fit_what_was_seen() {
        let finished = |answer| Observed::Finished(answer);
        assert!(!all_fit(put_in_flight(), &[finished(Answer::Done), read(b"old")]));
        assert!(all_fit(put_in_flight(), &[finished(Answer::Done), read(b"new")]));
        assert!(!all_fit(put_in_flight(), &[finished(Answer::Superseded)]));
    }

    #[test]
    fn what_a_dead_process_left_may_happen_later_and_once() {
        let worlds = Worlds::new(Some(Value::of(b"old")), Effect::Add(Value::of(b"new")))
            .after_death_in(Effect::Put(Value::of(b"dead")));
        let removed = Observed::Removed(true);
        assert!(all_fit(worlds.clone(), &[read(b"old"), read(b"dead")]));
        assert!(all_fit(
            worlds.clone(),
            &[read(b"dead"), removed.clone(), read(b"new")]
        ));
        assert!(!all_fit(worlds, &[read(b"dead"), removed, read(b"dead")]));
    }

    #[test]
    fn a_lossy_key_may_be_missed_but_not_be_wrong() {
        let mut worlds = put_in_flight();
        worlds.become_lossy();
        assert!(all_fit(worlds.clone(), &[Observed::Read(None)]));
        assert!(!all_fit(worlds.clone(), &[read(b"ne")]));
        assert!(!all_fit(worlds, &[put(b"later"), read(b"old")]));
    }
}
