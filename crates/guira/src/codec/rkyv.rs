//! rkyv archives, read where they lie.

use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error as Rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::{Codec, CodecError, CodecId, Form};

const NAME: &str = "rkyv archive";

/// Types that derive rkyv's `Archive`, `Serialize` and `Deserialize`.
///
/// `Cache::get_archived` reads them where they lie, after one validation. The bytes are those of rkyv 0.8
/// with its default features for order and pointer width; a type that changes takes another
/// [`schema`](crate::CacheBuilder::schema).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rkyv;

impl<V> Codec<V> for Rkyv
where
    V: Archive + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Rancor>>,
    V::Archived: for<'a> CheckBytes<HighValidator<'a, Rancor>> + Deserialize<V, HighDeserializer<Rancor>>,
{
    fn form(&self) -> Form {
        Form {
            in_place: true,
            ..Form::of(CodecId::RKYV)
        }
    }

    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let archive = rkyv::to_bytes::<Rancor>(value).map_err(|error| CodecError::encode(NAME, error))?;
        out.extend_from_slice(&archive);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        let decode = |bytes: &[u8]| {
            rkyv::from_bytes::<V, Rancor>(bytes).map_err(|error| CodecError::decode(NAME, error))
        };
        if may_lie_at(bytes) {
            decode(bytes)
        } else {
            decode(&aligned_copy(bytes))
        }
    }
}

/// Whether an archive may lie where `bytes` do. What is in it may want more than its root, up to 16 bytes.
pub(crate) fn may_lie_at(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(16)
}

/// The archive in `bytes`, validated, which must begin where it may lie.
pub(crate) fn access<V>(bytes: &[u8]) -> Result<&V::Archived, CodecError>
where
    V: Archive,
    V::Archived: for<'a> CheckBytes<HighValidator<'a, Rancor>>,
{
    rkyv::access::<V::Archived, Rancor>(bytes).map_err(|error| CodecError::decode(NAME, error))
}

/// Copies `bytes` to where any archive may lie.
pub(crate) fn aligned_copy(bytes: &[u8]) -> AlignedVec<16> {
    let mut aligned = AlignedVec::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    aligned
}
