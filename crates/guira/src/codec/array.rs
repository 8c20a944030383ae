//! Arrays with a type and a shape, read where they lie.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | what an element is, as numpy has it: `i`, `u` or `f` |
//! | 1 | bytes of an element |
//! | 1 | dimensions, at most 32 |
//! | 5 | zeroes |
//! | 8 for each dimension | its length, little-endian |
//! | to the next multiple of 16 | zeroes |
//! | | the elements in row-major order, little-endian |

use bytemuck::Pod;
use ndarray::{Array, ArrayView, Dimension, IxDyn};

use super::{Codec, CodecError, CodecId, Form};

const NAME: &str = "array";
const MAX_DIMENSIONS: usize = 32;
const ALIGNMENT_BYTES: usize = 16;

/// What an array may consist of: integers of 8 to 64 bits and floats of 32 and 64.
///
/// Sealed: the numbers are written into segments.
pub trait Element: Pod + sealed::Sealed {
    /// As numpy has it.
    #[doc(hidden)]
    const KIND: u8;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($type:ty: $kind:literal),*) => {
        $(impl sealed::Sealed for $type {}
        impl Element for $type {
            const KIND: u8 = $kind;
        })*
    };
}

elements!(i8: b'i', i16: b'i', i32: b'i', i64: b'i');
elements!(u8: b'u', u16: b'u', u32: b'u', u64: b'u', f32: b'f', f64: b'f');

/// `ndarray` arrays of an [`Element`] type, of any number of dimensions.
///
/// `Cache::get_array` gives a view of the elements where they lie in the segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NdArray;

impl<T: Element, D: Dimension> Codec<Array<T, D>> for NdArray {
    fn form(&self) -> Form {
        Form {
            in_place: true,
            ..Form::of(CodecId::ARRAY)
        }
    }

    fn encode(&self, value: &Array<T, D>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if value.ndim() > MAX_DIMENSIONS {
            return Err(CodecError::encode(
                NAME,
                format_args!("{} dimensions, at most {MAX_DIMENSIONS}", value.ndim()),
            ));
        }
        let begin = out.len();
        out.extend_from_slice(&[T::KIND, size_of::<T>() as u8, value.ndim() as u8, 0, 0, 0, 0, 0]);
        for length in value.shape() {
            out.extend_from_slice(&(*length as u64).to_le_bytes());
        }
        let head_bytes = (out.len() - begin).next_multiple_of(ALIGNMENT_BYTES);
        out.resize(begin + head_bytes, 0);
        match value.as_slice() {
            Some(elements) => out.extend_from_slice(bytemuck::cast_slice(elements)),
            None => {
                for element in value {
                    out.extend_from_slice(bytemuck::bytes_of(element));
                }
            }
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Array<T, D>, CodecError> {
        let (shape, elements) = parse::<T>(bytes)?;
        let array = match bytemuck::try_cast_slice(elements) {
            Ok(elements) => view(&shape, elements)?.to_owned(),
            Err(_) => view::<T, D>(&shape, &bytemuck::allocation::pod_collect_to_vec(elements))?.to_owned(),
        };
        Ok(array)
    }
}

/// The shape and the bytes of the elements.
pub(crate) fn parse<T: Element>(bytes: &[u8]) -> Result<(IxDyn, &[u8]), CodecError> {
    let refused = |reason: &str| CodecError::decode(NAME, reason);
    let (head, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| refused("it is cut short"))?;
    let [kind, element_bytes, dimensions, ..] = *head;
    if kind != T::KIND || usize::from(element_bytes) != size_of::<T>() {
        return Err(refused(&format!(
            "elements are {}{element_bytes}, not {}{}",
            char::from(kind).escape_default(),
            char::from(T::KIND),
            size_of::<T>()
        )));
    }
    let dimensions = usize::from(dimensions);
    if dimensions > MAX_DIMENSIONS {
        return Err(refused("it has too many dimensions"));
    }
    let mut shape = Vec::with_capacity(dimensions);
    for chunk in rest.chunks_exact(8).take(dimensions) {
        let length = chunk.first_chunk().map(|length| u64::from_le_bytes(*length));
        shape.push(
            length
                .and_then(|length| usize::try_from(length).ok())
                .unwrap_or(usize::MAX),
        );
    }
    let head_bytes = (8 + 8 * dimensions).next_multiple_of(ALIGNMENT_BYTES);
    let elements = bytes
        .get(head_bytes..)
        .ok_or_else(|| refused("it is cut short"))?;
    let count = shape
        .iter()
        .try_fold(1_usize, |count, length| count.checked_mul(*length));
    if shape.len() != dimensions
        || count.and_then(|count| count.checked_mul(size_of::<T>())) != Some(elements.len())
    {
        return Err(refused("its shape does not fit its elements"));
    }
    Ok((IxDyn(&shape), elements))
}

/// A view of `elements`, which are as many as `shape` says.
pub(crate) fn view<'e, T, D: Dimension>(
    shape: &IxDyn,
    elements: &'e [T],
) -> Result<ArrayView<'e, T, D>, CodecError> {
    ArrayView::from_shape(shape.clone(), elements)
        .and_then(ArrayView::into_dimensionality)
        .map_err(|error| CodecError::decode(NAME, error))
}
