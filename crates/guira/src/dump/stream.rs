//! The bytes of a dump on their way: counted, and compressed if that was asked for.

use std::io::{self, BufReader, BufWriter, Read, Write};

const BUFFER_BYTES: usize = 64 << 10;
#[cfg(feature = "zstd")]
const LEVEL: i32 = 3;

/// Counts what goes through.
#[derive(Debug)]
pub(super) struct Counted<T> {
    inner: T,
    bytes: u64,
}

impl<T> Counted<T> {
    const fn new(inner: T) -> Self {
        Self { inner, bytes: 0 }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.bytes += bytes as u64;
        Ok(bytes)
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let bytes = self.inner.write(buffer)?;
        self.bytes += bytes as u64;
        Ok(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

type Out<W> = BufWriter<Counted<W>>;

/// Where records are written to.
pub(super) enum Sink<W: Write> {
    Plain(Out<W>),
    #[cfg(feature = "zstd")]
    Compressed(zstd::stream::write::Encoder<'static, Out<W>>),
}

impl<W: Write> Sink<W> {
    /// `None` if it is to compress, and this program cannot.
    pub(super) fn new(out: W, preamble: &[u8], is_compressed: bool) -> io::Result<Option<Self>> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, Counted::new(out));
        if !is_compressed {
            out.write_all(preamble)?;
            return Ok(Some(Self::Plain(out)));
        }
        #[cfg(feature = "zstd")]
        {
            out.write_all(preamble)?;
            let encoder = zstd::stream::write::Encoder::new(out, LEVEL)?;
            Ok(Some(Self::Compressed(encoder)))
        }
        #[cfg(not(feature = "zstd"))]
        Ok(None)
    }

    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            #[cfg(feature = "zstd")]
            Self::Compressed(encoder) => encoder.write_all(bytes),
        }
    }

    /// What was written to, and how many bytes.
    pub(super) fn finish(self) -> io::Result<(W, u64)> {
        let mut out = match self {
            Self::Plain(out) => out,
            #[cfg(feature = "zstd")]
            Self::Compressed(encoder) => encoder.finish()?,
        };
        out.flush()?;
        let (counted, _) = out.into_parts();
        Ok((counted.inner, counted.bytes))
    }
}

type In<R> = BufReader<Counted<R>>;

/// Where records are read from.
pub(super) enum Source<R: Read> {
    Plain(In<R>),
    #[cfg(feature = "zstd")]
    Compressed(BufReader<zstd::stream::read::Decoder<'static, In<R>>>),
}

impl<R: Read> Source<R> {
    pub(super) fn new(from: R) -> Self {
        Self::Plain(BufReader::with_capacity(BUFFER_BYTES, Counted::new(from)))
    }

    /// What follows is compressed; `None` if this program cannot read that.
    pub(super) fn decompressed(self) -> io::Result<Option<Self>> {
        #[cfg(feature = "zstd")]
        {
            let Self::Plain(plain) = self else {
                return Ok(Some(self));
            };
            let decoder = zstd::stream::read::Decoder::with_buffer(plain)?.single_frame();
            let buffered = BufReader::with_capacity(BUFFER_BYTES, decoder);
            Ok(Some(Self::Compressed(buffered)))
        }
        #[cfg(not(feature = "zstd"))]
        Ok(None)
    }

    fn raw(&mut self) -> &mut In<R> {
        match self {
            Self::Plain(plain) => plain,
            #[cfg(feature = "zstd")]
            Self::Compressed(buffered) => buffered.get_mut().get_mut(),
        }
    }

    /// Bytes that were read of the dump as it lies there.
    pub(super) fn bytes_read(&mut self) -> u64 {
        self.raw().get_ref().bytes
    }

    /// Whether there is nothing more, neither of what was compressed nor behind it.
    pub(super) fn is_at_end(&mut self) -> io::Result<bool> {
        let mut byte = [0];
        Ok(self.read(&mut byte)? == 0 && self.raw().read(&mut byte)? == 0)
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.read(buffer),
            #[cfg(feature = "zstd")]
            Self::Compressed(buffered) => buffered.read(buffer),
        }
    }
}
