//! Who numbers these tickets: the origin.
//!
//! Numbers that were used once must not come again under one name, or the others drop what they number as
//! known. So the origin is made of all that tells one life of a segment from another: the segment's random
//! number, the boot of the machine, the file's device and inode, and a salt that is drawn anew when somebody
//! knows more of this origin than the journal does, as of a file that was restored in its place. The boot's id is
//! random, and so tells machines apart, too.

use guira_shm::sync::Ordering;

use super::Journal;
use crate::coherence::number_of_life;
use crate::format::random_u64;
use crate::layout::control::CONTROL_ORIGIN_SALT;

impl Journal<'_> {
    /// The number under which this host's tickets are known: the same for all processes, another after a reboot and
    /// for a copy of the file.
    #[must_use]
    pub fn origin(&self) -> u128 {
        let shared = self.shared();
        // Acquire: pairs with the Release of `renew_origin`.
        let salt = shared.word(CONTROL_ORIGIN_SALT).load(Ordering::Acquire);
        number_of_life(&shared.superblock, &shared.memory, salt)
    }

    /// Goes on under another number, unless somebody else has renewed `known` meanwhile; gives the present one.
    pub fn renew_origin(&self, known: u128) -> u128 {
        let word = self.shared().word(CONTROL_ORIGIN_SALT);
        let salt = word.load(Ordering::Acquire);
        if self.origin() == known {
            // AcqRel: pairs with the Acquire of `origin`. Lost: renewed by another.
            let _ = word.compare_exchange(salt, random_u64() | 1, Ordering::AcqRel, Ordering::Relaxed);
        }
        self.origin()
    }
}
