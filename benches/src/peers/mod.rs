//! What Guira is measured beside, each behind the same way to read.

pub(crate) mod memcached;
pub(crate) mod quick_cache;

use guira_segment::Segment;

use crate::error::BenchError;

/// Something that values are copied out of.
pub(crate) trait Reader {
    /// Look-ups between two looks at the clock: about 50 microseconds of them.
    const LOOK_UPS_PER_CHECK: usize = 256;

    /// Replaces `copy` by the value of `key`; false if there is none.
    fn read(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError>;
}

impl Reader for Segment {
    #[inline]
    fn read(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        Ok(self.get_into(key, copy))
    }
}
