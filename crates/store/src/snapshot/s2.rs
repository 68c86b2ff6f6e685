//! S2 framing: a byte stream in compressed chunks, each with its checksum.
//!
//! The limits of the format are kept before anything is allocated: a chunk unfolds to at most
//! 4 MiB.

use std::io::{self, Read, Write};

use minlz::{crc, s2};

const S2_ID: &[u8; 6] = b"S2sTwO";
const SNAPPY_ID: &[u8; 6] = b"sNaPpY";
const COMPRESSED: u8 = 0x00;
const PLAIN: u8 = 0x01;
const FIRST_SKIPPABLE: u8 = 0x80;
const STREAM_ID: u8 = 0xff;
/// Bytes that go into one chunk.
const CHUNK: usize = 1 << 20;
/// Most that a chunk may unfold to.
const LARGEST: usize = 4 << 20;
/// Most bytes of a compressed chunk: what does not compress grows a little.
const LARGEST_PACKED: usize = LARGEST + LARGEST / 6 + 32;

/// Compresses what is written to it.
pub(super) struct S2Writer<W> {
    out: W,
    pending: Vec<u8>,
    begun: bool,
}

impl<W: Write> S2Writer<W> {
    pub(super) fn new(out: W) -> Self {
        S2Writer { out, pending: Vec::new(), begun: false }
    }

    /// Writes what is left; gives the output back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.begin()?;
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.chunk(&pending)?;
        }
        Ok(self.out)
    }

    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.out.write_all(&[STREAM_ID, 6, 0, 0])?;
        self.out.write_all(S2_ID)
    }

    fn chunk(&mut self, plain: &[u8]) -> io::Result<()> {
        self.begin()?;
        let packed = s2::encode(plain);
        let (kind, data) =
            if packed.len() < plain.len() { (COMPRESSED, &packed[..]) } else { (PLAIN, plain) };
        let [a, b, c, _] = u32::try_from(data.len() + 4).unwrap_or(u32::MAX).to_le_bytes();
        self.out.write_all(&[kind, a, b, c])?;
        self.out.write_all(&crc::crc(plain).to_le_bytes())?;
        self.out.write_all(data)
    }
}

impl<W: Write> Write for S2Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.pending.is_empty()
            && let Some(whole) = bytes.get(..CHUNK)
        {
            self.chunk(whole)?;
            return Ok(CHUNK);
        }
        let take = bytes.len().min(CHUNK - self.pending.len());
        self.pending.extend_from_slice(bytes.get(..take).unwrap_or_default());
        if self.pending.len() == CHUNK {
            let pending = std::mem::take(&mut self.pending);
            self.chunk(&pending)?;
            self.pending = pending;
            self.pending.clear();
        }
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads the plain bytes of an S2 (or Snappy) stream.
pub(super) struct S2Reader<R> {
    input: R,
    plain: Vec<u8>,
    at: usize,
    packed: Vec<u8>,
    begun: bool,
}

fn corrupt(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("s2: {text}"))
}

impl<R: Read> S2Reader<R> {
    pub(super) fn new(input: R) -> Self {
        S2Reader { input, plain: Vec::new(), at: 0, packed: Vec::new(), begun: false }
    }

    /// Reads the next chunk that holds data; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            let mut head = [0; 4];
            if !read_or_end(&mut self.input, &mut head)? {
                return Ok(false);
            }
            let [kind, a, b, c] = head;
            let len = u32::from_le_bytes([a, b, c, 0]) as usize;
            if !self.begun && kind != STREAM_ID {
                return Err(corrupt("the data is no S2 stream"));
            }
            match kind {
                COMPRESSED | PLAIN => {
                    if self.data(kind, len)? {
                        return Ok(true);
                    }
                }
                STREAM_ID => {
                    let mut id = [0; 6];
                    if len != id.len() {
                        return Err(corrupt("bad stream identifier"));
                    }
                    self.input.read_exact(&mut id)?;
                    if id != *S2_ID && id != *SNAPPY_ID {
                        return Err(corrupt("bad stream identifier"));
                    }
                    self.begun = true;
                }
                FIRST_SKIPPABLE.. => {
                    let skipped =
                        io::copy(&mut (&mut self.input).take(len as u64), &mut io::sink())?;
                    if skipped < len as u64 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                _ => return Err(corrupt("unknown chunk")),
            }
        }
    }

    /// Reads a chunk of data; false if it is empty.
    fn data(&mut self, kind: u8, len: usize) -> io::Result<bool> {
        let most = if kind == PLAIN { LARGEST } else { LARGEST_PACKED };
        let Some(len) = len.checked_sub(4).filter(|&len| len <= most) else {
            return Err(corrupt("bad chunk length"));
        };
        let mut sum = [0; 4];
        self.input.read_exact(&mut sum)?;
        self.packed.resize(len, 0);
        self.input.read_exact(&mut self.packed)?;
        self.at = 0;
        if kind == PLAIN {
            std::mem::swap(&mut self.plain, &mut self.packed);
        } else {
            let unfolded = s2::decode_len(&self.packed).map(|(len, _)| len);
            if !unfolded.is_ok_and(|len| len <= LARGEST) {
                return Err(corrupt("bad chunk"));
            }
            self.plain = s2::decode(&self.packed).map_err(|_| corrupt("bad chunk"))?;
        }
        if crc::crc(&self.plain).to_le_bytes() != sum {
            return Err(corrupt("checksum mismatch"));
        }
        Ok(!self.plain.is_empty())
    }
}

impl<R: Read> Read for S2Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.plain.len() && !self.advance()? {
            return Ok(0);
        }
        let mut rest = self.plain.get(self.at..).unwrap_or_default();
        let got = rest.read(out)?;
        self.at += got;
        Ok(got)
    }
}

/// Fills `buf`; false if there is nothing at all any more.
pub(super) fn read_or_end(input: &mut impl Read, buf: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buf.len() {
        match input.read(buf.get_mut(filled..).unwrap_or_default()) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
