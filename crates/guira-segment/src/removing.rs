//! Removing and invalidating: a key, a tag, a namespace, everything.

use crate::groups::{group_of, number_of_group};
use crate::journal::RecordKind;
use crate::segment::Segment;
use crate::tags::hash_tag;

impl Segment {
    /// Removes `key`; says whether it had a value. Puts that are under way may complete after it.
    pub fn remove(&self, key: &[u8]) -> bool {
        let hashed = self.key(key);
        match self.shared.thread() {
            Some(thread) if !key.is_empty() => self.shared.remove(&thread, &hashed),
            _ => false,
        }
    }

    /// Removes `key` for good: after it returns, no read on this host gives a value whose put began,
    /// or whose fill token was taken, before. Cannot fail. Says whether the key had a value.
    pub fn invalidate(&self, key: &[u8]) -> bool {
        let hashed = self.key(key);
        match self.shared.thread() {
            Some(thread) => self.shared.invalidate(&thread, &hashed),
            None => {
                // A forked child that could not attach has no pins to scan under: the namespace goes. (On
                // other hosts the key is enough.)
                let kind = RecordKind::Invalidate;
                let (now, announced) = self.shared.announce(kind, self.namespace, hashed.hash, 0);
                self.shared.raise_namespace_to(self.namespace, now);
                self.shared.conclude(announced);
                false
            }
        }
    }

    /// Invalidates every entry that carries `tag`, in constant time: what was put, or whose computation
    /// began, before the call. A put that begins while it runs may stay. Entries that carry the tag's group
    /// in its place ([`fold_tags`](crate::fold_tags)) are invalidated too.
    ///
    /// ```
    /// use guira_segment::{PutOptions, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// segment.put_with(b"page", b"html", &PutOptions::default().tags(&[b"user:7"]))?;
    /// segment.invalidate_tag(b"user:7");
    /// assert!(segment.get(b"page").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn invalidate_tag(&self, tag: &[u8]) {
        let seed = self.shared.superblock.hash_seed;
        let (hash, group) = (hash_tag(seed, tag), group_of(tag));
        let number = number_of_group(&group);
        let (now, announced) = self.shared.announce(RecordKind::Tag, number, hash, 0);
        self.shared.raise_tag_to(hash, now);
        self.shared.raise_tag_to(hash_tag(seed, &group), now);
        if self.shared.is_lost() {
            self.shared.invalidate_for_others();
        }
        self.shared.conclude(announced);
    }

    /// Invalidates everything in this handle's namespace, in constant time; as with a tag, a put that
    /// begins while it runs may stay.
    pub fn clear(&self) {
        let (now, announced) = self.shared.announce(RecordKind::Namespace, self.namespace, 0, 0);
        self.shared.raise_namespace_to(self.namespace, now);
        self.shared.conclude(announced);
    }

    /// Invalidates everything in the segment, in constant time; as with a tag, a put that begins while it
    /// runs may stay.
    pub fn clear_all(&self) {
        let (now, announced) = self.shared.announce(RecordKind::Clear, 0, 0, 0);
        self.shared.raise_floor_to(now);
        if self.shared.is_lost() {
            self.shared.invalidate_for_others();
        }
        self.shared.conclude(announced);
    }

    /// Gives back what dead processes held; returns how many were found. The engine does this by
    /// itself when it needs what they hold.
    pub fn recover(&self) -> usize {
        self.shared
            .current_attachment()
            .map_or(0, |attachment| self.shared.recover_dead(&attachment, true))
    }

    /// Attaches this process if it is not: a forked child does so on its first operation, and may do
    /// it here to learn of an error.
    ///
    /// # Errors
    /// No free record, or the file cannot be opened any more.
    pub fn attach(&self) -> Result<(), crate::OpenError> {
        self.shared.attach().map(drop)
    }
}
