//! All counters and locks of a segment, for those who look after it.

use std::time::Duration;

use super::ledger::{NAMESPACE, number};
use crate::handle::Guira;
use crate::key::KeyItem;

/// A counter or lock of one key of a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct LockoutEntry {
    /// The lockout's name.
    pub lockout: String,
    /// The rule's name.
    pub rule: String,
    /// The key that is counted or locked; the hash of one that takes more than 1,024 bytes.
    pub subject: KeyItem,
    /// How many events were counted in the window; `None` if the key is locked.
    pub count: Option<u32>,
    /// To the end of the window or the lock.
    pub time_left: Duration,
    key: Vec<u8>,
}

impl LockoutEntry {
    /// Whether the key is locked. One whose process was killed as it locked is not said to be, until the next
    /// event; the limit is known to those who count.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.count.is_none()
    }
}

impl Guira {
    /// The counters and locks of all lockouts, in no order.
    ///
    /// ```
    /// use guira::lockout::Rule;
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let mails = guira
    ///     .lockout::<str>("mails")
    ///     .rule(Rule::of_subject("sender", 1, Duration::from_secs(60)))
    ///     .build()?;
    /// assert!(mails.take("plum")?.is_allowed());
    /// let entries = guira.lockout_entries();
    /// assert!(matches!(&*entries, [entry] if entry.is_locked() && entry.rule == "sender"));
    /// assert!(guira.release_lockout(&entries[0]));
    /// assert!(mails.take("plum")?.is_allowed());
    /// # Ok::<(), guira::Error>(())
    /// ```
    #[must_use]
    pub fn lockout_entries(&self) -> Vec<LockoutEntry> {
        let Some(segment) = self.segment().existing_namespace(NAMESPACE) else {
            return Vec::new();
        };
        let entries = segment.entries().filter_map(|entry| {
            let KeyItem::List(parts) = KeyItem::of_bytes(&entry.key).ok()? else {
                return None;
            };
            let [KeyItem::Text(lockout), KeyItem::Text(rule), subject] = <[_; 3]>::try_from(parts).ok()?
            else {
                return None;
            };
            let value = segment.get(&entry.key)?;
            Some(LockoutEntry {
                lockout,
                rule,
                subject,
                count: number(&value),
                time_left: value.metadata().ttl.unwrap_or(Duration::MAX),
                key: entry.key,
            })
        });
        entries.collect()
    }

    /// Forgets what `entry` counts or locks, whatever the rule says; says whether it was still there.
    #[must_use = "nothing is released where nothing was"]
    pub fn release_lockout(&self, entry: &LockoutEntry) -> bool {
        self.segment()
            .existing_namespace(NAMESPACE)
            .is_some_and(|segment| segment.remove(&entry.key))
    }
}
