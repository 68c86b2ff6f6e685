//! What a consumer's directory says of its progress, and which of it counts.

use std::io;
use std::path::Path;

use env::Disk;

use super::consumer_copy::{self, Copy, Saved};
use super::consumer_file::{FIRST, STATE};
use super::crypt::Asset;
use super::files::read_if_there;
use super::record::Hasher;
use crate::api::ConsumerState;

/// A consumer's progress as it lies on disk.
#[derive(Debug)]
pub(super) struct Found {
    /// `o.dat` as stored.
    pub(super) bytes: Option<Vec<u8>>,
    /// What it says, if it is sound.
    pub(super) saved: Option<Saved>,
    pub(super) copy: Copy,
    /// What the copy says.
    pub(super) copied: Option<Saved>,
}

impl Found {
    /// Reads both files, and changes nothing.
    pub(super) fn read(
        disk: &dyn Disk,
        dir: &Path,
        asset: &Asset,
        hasher: &Hasher,
    ) -> io::Result<Self> {
        let judge = |stored: &[u8]| consumer_copy::open(hasher, &asset.open(stored.to_vec())?);
        let bytes = read_if_there(disk, &dir.join(STATE))?;
        let saved = bytes.as_deref().and_then(judge);
        let (copy, copied) = Copy::read(disk, dir, judge)?;
        Ok(Found { bytes, saved, copy, copied })
    }

    /// The progress that counts: of the file or of its copy, whichever is the later one.
    pub(super) fn state(&self) -> Option<&ConsumerState> {
        let counts = match (&self.saved, &self.copied) {
            (Some(saved), Some(copied)) if saved.is_before(copied) => Some(copied),
            (Some(saved), _) => Some(saved),
            (None, copied) => copied.as_ref(),
        };
        counts.map(|saved| &saved.state)
    }

    /// What the copy does not say: the file's progress, where that is the later one.
    pub(super) fn uncopied(&self) -> Option<&Saved> {
        let copied = self.copied.as_ref();
        self.saved.as_ref().filter(|saved| {
            copied.is_none_or(|copied| !saved.is_before(copied) && saved.number != copied.number)
        })
    }

    /// What is wrong with `o.dat`, for people.
    pub(super) fn damage(&self) -> Option<&'static str> {
        match (&self.bytes, &self.saved, &self.copied) {
            (_, Some(_), _) | (None, None, None) => None,
            // It is not synced when the consumer is made.
            (_, None, Some(copied)) if copied.number == FIRST => None,
            (_, None, Some(_)) => Some("was damaged and is taken from its copy"),
            (Some(_), None, None) => Some("was damaged and is lost: it starts anew"),
        }
    }

    /// Number of the last save.
    pub(super) fn number(&self) -> u64 {
        [&self.saved, &self.copied]
            .into_iter()
            .flatten()
            .map(|saved| saved.number)
            .max()
            .unwrap_or(0)
    }
}
