//! Opening the file of a stub, and whether it is verified.
//!
//! A file is verified when its head is its stub's and its bytes have the checksum. That it was is noted in the table by
//! the file's state (inode, length, times), so that no process does it again as long as the state is the same; a
//! file that was touched in any way the kernel knows is verified anew. A state that is younger than the kernel's clock
//! can tell apart is not noted.
//!
//! A file that is gone, cut, or not what its stub says is a miss: it is removed, its stub goes, and it is counted.

use std::fs::File;

use guira_shm::directory::{FileState, open_regular};
use guira_shm::sync::Ordering;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Shared, checking};
use crate::error::FilesError;
use crate::layout::record::RecordState;
use crate::layout::stub::Stub;
use crate::layout::table::{CONTROL_BOOT_HIGH, CONTROL_BOOT_LOW};
use crate::table::Counter;

/// A change within this of a look may not show in a file's times: the kernel's clock ticks every 10 ms at worst.
const TICK_NS: i128 = 50_000_000;

/// A stub's file, as long as the stub says.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) state: FileState,
    pub(super) is_verified: bool,
}

impl Shared {
    /// The stub's file; verified, now or before.
    pub(super) fn open_verified(&self, stub: &Stub) -> Result<Option<Opened>, FilesError> {
        match self.open_stub(stub)? {
            Some(opened) => self.verified(opened, stub),
            None => Ok(None),
        }
    }

    /// The file, if it is verified now or was before.
    pub(super) fn verified(&self, opened: Opened, stub: &Stub) -> Result<Option<Opened>, FilesError> {
        if opened.is_verified {
            return Ok(Some(opened));
        }
        let is_intact =
            checking::is_intact(&opened.file, stub).map_err(|source| self.reading(stub, source))?;
        if !is_intact {
            self.lose(stub, Counter::Corrupt);
            return Ok(None);
        }
        self.vouch(stub, &opened.state);
        Ok(Some(opened))
    }

    /// The stub's file, verified or not.
    pub(super) fn open_stub(&self, stub: &Stub) -> Result<Option<Opened>, FilesError> {
        if self.info_of(stub).is_none() {
            return Ok(None);
        }
        if let Some(opened) = self.open_known(stub) {
            return Ok(Some(opened));
        }
        let path = if stub.is_linked() {
            self.place.linked(stub.number)
        } else {
            self.place.value(stub.number)
        };
        let (file, state) = match open_regular(&path) {
            Ok(opened) => opened,
            Err(error) if checking::is_gone(&error) => {
                self.lose(stub, Counter::Missing);
                return Ok(None);
            }
            Err(source) => return Err(FilesError::io("open", &path, source)),
        };
        if state.len_bytes != u64::from(stub.head_bytes) + stub.value_bytes {
            self.lose(stub, Counter::Corrupt);
            return Ok(None);
        }
        Ok(Some(Opened {
            is_verified: self.is_vouched(stub, &state),
            file,
            state,
        }))
    }

    /// The stub's file by the short way, if what is there is the very file that was verified. If not, nothing is said: the
    /// descriptor of the directory may be something else by now.
    fn open_known(&self, stub: &Stub) -> Option<Opened> {
        if !self.may_be_vouched(stub) {
            return None;
        }
        let name = self.place.name_of(stub.number);
        let (file, state) = self.folder.open_regular(&name).ok()?;
        self.is_vouched(stub, &state).then_some(Opened {
            file,
            state,
            is_verified: true,
        })
    }

    /// Whether the stub's file is as it was when it was verified.
    pub(super) fn is_unchanged(&self, stub: &Stub) -> bool {
        self.may_be_vouched(stub)
            && self
                .folder
                .state_of(&self.place.name_of(stub.number))
                .is_ok_and(|state| self.is_vouched(stub, &state))
    }

    /// Whether a look at the file by the short way is of use.
    fn may_be_vouched(&self, stub: &Stub) -> bool {
        !stub.is_linked() && self.table.verified(stub.record).load(Ordering::Relaxed) != 0
    }

    fn is_vouched(&self, stub: &Stub, state: &FileState) -> bool {
        self.table.verified(stub.record).load(Ordering::Relaxed) == self.fold(state, stub)
    }

    /// Notes that the file has just been verified in this state.
    pub(super) fn vouch(&self, stub: &Stub, state: &FileState) {
        self.table.count(Counter::Verified, 1);
        let now_ns = i128::from(self.clock.realtime_ms()) * 1_000_000;
        let is_settled = state.changed_ns < now_ns - TICK_NS && state.modified_ns < now_ns - TICK_NS;
        if is_settled && self.info_of(stub).is_some() {
            let folded = self.fold(state, stub);
            self.table.verified(stub.record).store(folded, Ordering::Relaxed);
        }
    }

    /// A file's state in a word that is not 0. It vouches for one stub, and for this boot of the machine.
    fn fold(&self, state: &FileState, stub: &Stub) -> u64 {
        let [boot_low, boot_high] =
            [CONTROL_BOOT_LOW, CONTROL_BOOT_HIGH].map(|word| self.table.region().read_u64(word));
        let mut bytes = Vec::with_capacity(96);
        for word in [
            state.identity.0,
            state.identity.1,
            state.len_bytes,
            stub.number,
            stub.checksum,
            boot_low,
            boot_high,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for word in [state.modified_ns, state.changed_ns] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        xxh3_64_with_seed(&bytes, 1).max(1)
    }

    /// The file is gone or is not what it was: record, stub and file go.
    pub(super) fn lose(&self, stub: &Stub, why: Counter) {
        let Some(info) = self.info_of(stub) else {
            return; // somebody removed it in the ordinary way
        };
        // One that is HELD yet is its writer's to look after.
        if info.word.state() == Some(RecordState::Live)
            && let Ok(owner) = self.owner()
            && matches!(self.remove(&owner, stub.record, info.word), Ok(true))
        {
            self.table.count(why, 1);
            tracing::warn!(
                directory = %self.place.directory.display(),
                number = stub.number,
                "a value file was {}", if why == Counter::Missing { "gone" } else { "damaged, and is removed" }
            );
        }
    }
}
