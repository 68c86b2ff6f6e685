//! Writes the archive of a snapshot.

use std::io::{self, Write};

use super::s2::S2Writer;
use super::tar;

/// Packs members into an archive as they come; holds a few MiB at most.
pub struct ArchiveWriter<W: Write> {
    out: S2Writer<W>,
    mtime: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// An archive whose members carry this time (seconds since 1970).
    pub fn new(out: W, mtime: u64) -> Self {
        ArchiveWriter { out: S2Writer::new(out), mtime }
    }

    /// Adds a member.
    ///
    /// # Errors
    /// What the output refuses.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        self.out.write_all(&tar::header(name, size, self.mtime))?;
        self.out.write_all(bytes)?;
        self.out.write_all(&vec![0; tar::padding(size)])
    }

    /// Ends the archive; gives the output back.
    ///
    /// # Errors
    /// What the output refuses.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * tar::BLOCK])?;
        self.out.finish()
    }
}
