//! Byte copies of shared memory that the compiler cannot look into (x86-64).
//!
//! Every access to the shared side is an instruction in an `asm!` block, so no
//! assumption about data races is made of it. Up to 64 bytes a run is moved by
//! at most four 16-byte accesses that overlap at its tail, inline and without a
//! call; up to 256 bytes by lines of four of them; beyond that by libc's `memcpy`,
//! which is faster from there on, reached through an `asm!` call for the same reason.

use std::arch::asm;
use std::arch::x86_64::{
    __m128i, _MM_HINT_ET0, _MM_HINT_T0, _mm_and_si128, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_prefetch,
};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::BitXor;

/// Longest run that is copied piece by piece.
const PIECEWISE_LIMIT_BYTES: usize = 256;

/// A run of shared bytes inside a region. Copyable, checked at each access.
#[derive(Clone, Copy)]
pub(super) struct SharedRun<'a> {
    start: *mut u8,
    len: usize,
    region: PhantomData<&'a ()>,
}

/// A value that one instruction loads from, or stores to, shared memory.
trait Piece: Copy {
    unsafe fn load(at: *const u8) -> Self;
    unsafe fn store(self, at: *mut u8);
}

macro_rules! piece {
    ($type:ty, $class:ident, $load:literal, $store:literal) => {
        impl Piece for $type {
            #[inline(always)]
            unsafe fn load(at: *const u8) -> Self {
                let value;
                // SAFETY: the caller's `at` is readable for the size of this type.
                unsafe {
                    asm!($load, out($class) value, at = in(reg) at,
                        options(readonly, nostack, preserves_flags));
                }
                value
            }

            #[inline(always)]
            unsafe fn store(self, at: *mut u8) {
                // SAFETY: the caller's `at` is writable for the size of this type.
                unsafe {
                    asm!($store, in($class) self, at = in(reg) at,
                        options(nostack, preserves_flags));
                }
            }
        }
    };
}

piece!(u8, reg_byte, "mov {}, byte ptr [{at}]", "mov byte ptr [{at}], {}");
piece!(
    u32,
    reg,
    "mov {:e}, dword ptr [{at}]",
    "mov dword ptr [{at}], {:e}"
);
piece!(u64, reg, "mov {}, qword ptr [{at}]", "mov qword ptr [{at}], {}");
piece!(
    __m128i,
    xmm_reg,
    "movdqu {}, xmmword ptr [{at}]",
    "movdqu xmmword ptr [{at}], {}"
);

/// A cache line's worth.
type Line = [__m128i; 4];

impl Piece for Line {
    #[inline(always)]
    unsafe fn load(at: *const u8) -> Self {
        let (a, b, c, d);
        // SAFETY: the caller's `at` is readable for 64 bytes.
        unsafe {
            asm!("movdqu {a}, xmmword ptr [{at}]", "movdqu {b}, xmmword ptr [{at} + 16]",
                "movdqu {c}, xmmword ptr [{at} + 32]", "movdqu {d}, xmmword ptr [{at} + 48]",
                a = out(xmm_reg) a, b = out(xmm_reg) b, c = out(xmm_reg) c, d = out(xmm_reg) d,
                at = in(reg) at, options(readonly, nostack, preserves_flags));
        }
        [a, b, c, d]
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut u8) {
        let [a, b, c, d] = self;
        // SAFETY: the caller's `at` is writable for 64 bytes.
        unsafe {
            asm!("movdqu xmmword ptr [{at}], {a}", "movdqu xmmword ptr [{at} + 16], {b}",
                "movdqu xmmword ptr [{at} + 32], {c}", "movdqu xmmword ptr [{at} + 48], {d}",
                a = in(xmm_reg) a, b = in(xmm_reg) b, c = in(xmm_reg) c, d = in(xmm_reg) d,
                at = in(reg) at, options(nostack, preserves_flags));
        }
    }
}

impl SharedRun<'_> {
    /// # Safety
    ///
    /// `len` bytes from `start` are mapped readable and writable for the
    /// lifetime of the run.
    #[inline(always)]
    pub(super) unsafe fn new(start: *mut u8, len: usize) -> Self {
        SharedRun {
            start,
            len,
            region: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn len(self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) fn copy_out(self, dst: &mut [MaybeUninit<u8>]) {
        debug_assert_eq!(self.len, dst.len());
        match self.len {
            0 => {}
            1..4 => {
                self.out::<u8>(0, dst);
                self.out::<u8>(self.len / 2, dst);
                self.out::<u8>(self.len - 1, dst);
            }
            4..8 => {
                self.out::<u32>(0, dst);
                self.out::<u32>(self.len - 4, dst);
            }
            8..16 => {
                self.out::<u64>(0, dst);
                self.out::<u64>(self.len - 8, dst);
            }
            16..=32 => {
                self.out::<__m128i>(0, dst);
                self.out::<__m128i>(self.len - 16, dst);
            }
            33..=64 => {
                self.out::<__m128i>(0, dst);
                self.out::<__m128i>(16, dst);
                self.out::<__m128i>(self.len - 32, dst);
                self.out::<__m128i>(self.len - 16, dst);
            }
            65..=128 => {
                self.out::<Line>(0, dst);
                self.out::<Line>(self.len - 64, dst);
            }
            _ => self.copy_out_long(dst),
        }
    }

    #[inline(never)]
    fn copy_out_long(self, dst: &mut [MaybeUninit<u8>]) {
        assert_eq!(self.len, dst.len(), "source and destination differ in length");
        if self.len <= PIECEWISE_LIMIT_BYTES {
            for at in (0..self.len - 64).step_by(64) {
                self.out::<Line>(at, dst);
            }
            self.out::<Line>(self.len - 64, dst);
        } else {
            // SAFETY: both sides are valid for `len` bytes, and private memory never overlaps a region.
            unsafe { call_memcpy(dst.as_mut_ptr().cast(), self.start, self.len) }
        }
    }

    #[inline(always)]
    pub(super) fn copy_in(self, src: &[u8]) {
        debug_assert_eq!(self.len, src.len());
        match self.len {
            0 => {}
            1..4 => {
                self.into::<u8>(0, src);
                self.into::<u8>(self.len / 2, src);
                self.into::<u8>(self.len - 1, src);
            }
            4..8 => {
                self.into::<u32>(0, src);
                self.into::<u32>(self.len - 4, src);
            }
            8..16 => {
                self.into::<u64>(0, src);
                self.into::<u64>(self.len - 8, src);
            }
            16..=32 => {
                self.into::<__m128i>(0, src);
                self.into::<__m128i>(self.len - 16, src);
            }
            33..=64 => {
                self.into::<__m128i>(0, src);
                self.into::<__m128i>(16, src);
                self.into::<__m128i>(self.len - 32, src);
                self.into::<__m128i>(self.len - 16, src);
            }
            _ => self.copy_in_long(src),
        }
    }

    #[inline(never)]
    fn copy_in_long(self, src: &[u8]) {
        assert_eq!(self.len, src.len(), "source and destination differ in length");
        if self.len <= PIECEWISE_LIMIT_BYTES {
            for at in (0..self.len - 64).step_by(64) {
                self.into::<Line>(at, src);
            }
            self.into::<Line>(self.len - 64, src);
        } else {
            // SAFETY: both sides are valid for `len` bytes, and private memory never overlaps a region.
            unsafe { call_memcpy(self.start, src.as_ptr(), self.len) }
        }
    }

    #[inline(always)]
    pub(super) fn equals(self, expected: &[u8]) -> bool {
        debug_assert_eq!(self.len, expected.len());
        match self.len {
            0 => true,
            1..4 => {
                self.differ::<u8>(0, expected)
                    | self.differ::<u8>(self.len / 2, expected)
                    | self.differ::<u8>(self.len - 1, expected)
                    == 0
            }
            4..8 => self.differ::<u32>(0, expected) | self.differ::<u32>(self.len - 4, expected) == 0,
            8..16 => self.differ::<u64>(0, expected) | self.differ::<u64>(self.len - 8, expected) == 0,
            16..=32 => {
                let back = self.len - 16;
                all_equal(
                    [self.load(0), self.load(back)],
                    [private(0, expected), private(back, expected)],
                )
            }
            33..=64 => {
                let back = self.len - 32;
                all_equal(
                    [self.load(0), self.load(16), self.load(back), self.load(back + 16)],
                    [
                        private(0, expected),
                        private(16, expected),
                        private(back, expected),
                        private(back + 16, expected),
                    ],
                )
            }
            _ => self.equals_long(expected),
        }
    }

    #[inline(never)]
    fn equals_long(self, expected: &[u8]) -> bool {
        assert!(self.len >= 64 && self.len == expected.len());
        let same = |at| all_equal(self.load::<Line>(at), private::<Line>(at, expected));
        let mut at = 0;
        while at < self.len - 64 {
            if !same(at) {
                return false;
            }
            at += 64;
        }
        same(self.len - 64)
    }

    pub(super) fn zero(self) {
        // SAFETY: the run is valid for `len` bytes.
        unsafe { call_memset(self.start, self.len) }
    }

    /// Moves one piece from the run to the same place in `dst`.
    #[inline(always)]
    fn out<P: Piece>(self, at: usize, dst: &mut [MaybeUninit<u8>]) {
        let piece = self.load::<P>(at);
        let to: &mut [MaybeUninit<u8>] = &mut dst[at..at + size_of::<P>()];
        // SAFETY: `to` has the size of P, and any bytes may be written to it.
        unsafe { to.as_mut_ptr().cast::<P>().write_unaligned(piece) }
    }

    /// Moves one piece from `src` to the same place in the run.
    #[inline(always)]
    fn into<P: Piece>(self, at: usize, src: &[u8]) {
        let piece: P = private::<P>(at, src);
        assert!(size_of::<P>() <= self.len && at <= self.len - size_of::<P>());
        // SAFETY: just checked to stay inside the run.
        let to = unsafe { self.start.add(at) };
        // SAFETY: `to` is writable for the size of P.
        unsafe { piece.store(to) }
    }

    /// The bits in which one piece of the run differs from `expected`.
    #[inline(always)]
    fn differ<P: Piece + BitXor<Output = P> + Into<u64>>(self, at: usize, expected: &[u8]) -> u64 {
        (self.load::<P>(at) ^ private(at, expected)).into()
    }

    #[inline(always)]
    fn load<P: Piece>(self, at: usize) -> P {
        assert!(size_of::<P>() <= self.len && at <= self.len - size_of::<P>());
        // SAFETY: just checked to stay inside the run.
        let from = unsafe { self.start.add(at) };
        // SAFETY: `from` is readable for the size of P.
        unsafe { P::load(from) }
    }
}

/// One piece of private bytes.
#[inline(always)]
fn private<P: Piece>(at: usize, bytes: &[u8]) -> P {
    let from: &[u8] = &bytes[at..at + size_of::<P>()];
    // SAFETY: `from` has the size of P, and every bit pattern is a P.
    unsafe { from.as_ptr().cast::<P>().read_unaligned() }
}

#[inline(always)]
fn all_equal<const N: usize>(one: [__m128i; N], other: [__m128i; N]) -> bool {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { all_equal_sse2(one, other) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn all_equal_sse2<const N: usize>(one: [__m128i; N], other: [__m128i; N]) -> bool {
    let mut equal = _mm_cmpeq_epi8(one[0], other[0]);
    for at in 1..N {
        equal = _mm_and_si128(equal, _mm_cmpeq_epi8(one[at], other[at]));
    }
    _mm_movemask_epi8(equal) == 0xffff
}

/// # Safety
///
/// `dst` is writable and `src` readable for `len` bytes, and they do not overlap.
unsafe fn call_memcpy(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: calls memcpy by the C convention; the arguments are valid by this function's contract.
    unsafe {
        asm!("call {memcpy}", memcpy = in(reg) libc::memcpy as *const (),
            inout("rdi") dst => _, inout("rsi") src => _, inout("rdx") len => _,
            clobber_abi("C"));
    }
}

/// # Safety
///
/// `dst` is writable for `len` bytes.
unsafe fn call_memset(dst: *mut u8, len: usize) {
    // SAFETY: calls memset by the C convention; the arguments are valid by this function's contract.
    unsafe {
        asm!("call {memset}", memset = in(reg) libc::memset as *const (),
            inout("rdi") dst => _, inout("rsi") 0u64 => _, inout("rdx") len => _,
            clobber_abi("C"));
    }
}

#[inline(always)]
pub(super) fn prefetch(at: *const u8) {
    // SAFETY: a hint; it reads nothing and never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

#[inline(always)]
pub(super) fn prefetch_write(at: *const u8) {
    // SAFETY: a hint; it writes nothing and never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) }
}
