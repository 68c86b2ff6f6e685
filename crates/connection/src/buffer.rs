//! The read buffer of one connection.

/// Size at the start, enough for CONNECT and small messages.
const START: usize = 4 * 1024;
/// Size that a busy connection grows to; only a larger message makes it larger.
const BUSY: usize = 64 * 1024;
/// Size while nothing happens.
const IDLE: usize = 512;
/// So many reads in a row that would have fitted half the buffer make it smaller.
const SHRINK_AFTER: u8 = 8;

/// Bytes that were read and not yet parsed, and room for more.
///
/// Grows when reads fill it, and to hold a message that is on its way whole; shrinks when it is
/// larger than what is read.
pub(crate) struct ReadBuffer {
    // As long as its capacity: zeroed once, not per read.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    short_reads: u8,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        ReadBuffer { bytes: vec![0; START], start: 0, end: 0, short_reads: 0 }
    }

    /// What was read and not yet consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where to read to; never empty.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            self.make_room(1);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes note of `count` bytes read into [`room`](Self::room).
    pub(crate) fn filled(&mut self, count: usize) {
        let size = self.bytes.len();
        self.end = (self.end + count).min(size);
        if self.end == size {
            self.short_reads = 0;
            if self.start == 0 && size < BUSY {
                self.bytes.resize(size * 2, 0);
            }
        } else if count < size / 2 && size > START {
            self.short_reads = self.short_reads.saturating_add(1);
        } else {
            self.short_reads = 0;
        }
    }

    /// Drops the first `count` unread bytes, and makes room for a frame of `needed` bytes of
    /// which the rest is still to come.
    pub(crate) fn consume(&mut self, count: usize, needed: Option<usize>) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.short_reads >= SHRINK_AFTER && self.bytes.len() > START {
                let size = (self.bytes.len() / 2).max(START);
                self.bytes = vec![0; size];
                self.short_reads = 0;
            }
        }
        let have = self.end - self.start;
        if let Some(missing) = needed.and_then(|needed| needed.checked_sub(have)) {
            self.make_room(missing);
        }
    }

    /// Gives memory back while nothing happens.
    pub(crate) fn release_idle_memory(&mut self) {
        if self.start == self.end && self.bytes.len() > IDLE {
            *self = ReadBuffer { bytes: vec![0; IDLE], start: 0, end: 0, short_reads: 0 };
        }
    }

    fn make_room(&mut self, missing: usize) {
        if self.bytes.len() - self.end >= missing {
            return;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let size = self.end + missing;
        if size > self.bytes.len() {
            self.bytes.resize(size.max(self.bytes.len() * 2).min(size.max(BUSY)), 0);
        }
    }
}

#[cfg(test)]
mod tests;
