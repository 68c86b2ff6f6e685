//! How far a stream has come with the streams it gathers from: `origins.db`, which the reference
//! ignores. It is never encrypted.
//!
//! Two places of the same size take turns, so that one of them is whole whatever happens while
//! the other one is written: one write and one sync, no rename.

use std::path::PathBuf;

use env::OpenMode;

use super::FileStore;
use super::files::read_if_there;
use super::meta::{self, Sync};
use super::varint::{Reader, push_u};
use crate::api::{Durability, OriginMark, SavedOrigins, StoreError, StoreEvent};
use crate::error::io_error;

pub(super) const ORIGINS: &str = "origins.db";
const MAGIC: &[u8; 4] = b"JCO1";
const SUM: usize = 8;
/// Magic, generation, length, and checksum.
const FRAME: usize = 4 + 8 + 4 + SUM;
const SMALLEST: usize = 512;

/// What is known of the file.
#[derive(Debug, Default)]
pub(super) struct OriginsFile {
    /// To be on disk before anything else is.
    pub(super) due: Option<(SavedOrigins, Durability)>,
    /// Size of each of the two places; 0 where the file must be made anew.
    place: usize,
    generation: u64,
    /// It was written without a sync; the next one goes to a new file that is synced.
    unsynced: bool,
}

fn encode(saved: &SavedOrigins) -> Vec<u8> {
    let mut out = Vec::new();
    push_u(&mut out, saved.marks.len() as u64);
    for mark in &saved.marks {
        push_u(&mut out, mark.last_seq);
        push_u(&mut out, mark.positions.len() as u64);
        for (origin, seq) in &mark.positions {
            push_u(&mut out, origin.len() as u64);
            out.extend_from_slice(origin.as_bytes());
            push_u(&mut out, *seq);
        }
    }
    out
}

fn decode(bytes: &[u8]) -> Option<SavedOrigins> {
    let mut read = Reader::new(bytes);
    let mut saved = SavedOrigins::default();
    for _ in 0..read.u()? {
        let mut mark = OriginMark { last_seq: read.u()?, positions: Vec::new() };
        for _ in 0..read.u()? {
            let len = usize::try_from(read.u()?).ok()?;
            let origin = std::str::from_utf8(read.bytes(len)?).ok()?.to_owned();
            mark.positions.push((origin, read.u()?));
        }
        saved.marks.push(mark);
    }
    read.rest().is_empty().then_some(saved)
}

impl FileStore {
    fn origins_path(&self) -> PathBuf {
        self.dir.join(ORIGINS)
    }

    fn frame(&self, content: &[u8], generation: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(content.len() + FRAME);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&generation.to_le_bytes());
        out.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(content);
        let sum = self.hasher().sum(&[&out]);
        out.extend_from_slice(&sum);
        out
    }

    /// Generation and content of one place; `None` where it is not whole.
    fn unframe<'b>(&self, place: &'b [u8]) -> Option<(u64, &'b [u8])> {
        let rest = place.strip_prefix(MAGIC)?;
        let (generation, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let (content, rest) = rest.split_at_checked(len)?;
        let framed = place.get(..FRAME - SUM + len)?;
        let sound = rest.first_chunk::<SUM>()? == &self.hasher().sum(&[framed]);
        sound.then_some((u64::from_le_bytes(*generation), content))
    }

    /// Writes what is due. With `Synced`, what was written before is durable as well.
    pub(super) fn write_origins(&mut self, flush: Durability) -> Result<(), StoreError> {
        let Some((saved, wanted)) = &self.origins.due else {
            return match flush {
                Durability::Synced if self.origins.unsynced => self.sync_origins(),
                Durability::Synced | Durability::Written => Ok(()),
            };
        };
        let synced = *wanted == Durability::Synced || flush == Durability::Synced;
        let content = encode(saved);
        let generation = self.origins.generation + 1;
        let framed = self.frame(&content, generation);
        // What was not synced must not be the only one that is whole.
        if framed.len() > self.origins.place || self.origins.unsynced {
            let place = framed.len().next_power_of_two().max(SMALLEST);
            let mut file = framed.clone();
            file.resize(place, 0);
            file.extend_from_slice(&framed);
            file.resize(place * 2, 0);
            let sync = if synced { Sync::Now } else { Sync::Later };
            meta::replace_file(&*self.disk, &self.origins_path(), &file, sync)?;
            self.origins.place = place;
        } else {
            let offset = if generation.is_multiple_of(2) { self.origins.place as u64 } else { 0 };
            let opened = self.disk.open(&self.origins_path(), OpenMode::Existing);
            let written = opened.and_then(|file| {
                file.write_all_at(&framed, offset)?;
                if synced { file.sync_data() } else { Ok(()) }
            });
            if let Err(error) = written {
                // What a failed sync leaves is not known: the next one goes to a new file.
                self.origins.place = 0;
                return Err(io_error(&format!("writing {ORIGINS}"), error));
            }
        }
        self.origins.generation = generation;
        self.origins.unsynced = !synced;
        self.origins.due = None;
        Ok(())
    }

    fn sync_origins(&mut self) -> Result<(), StoreError> {
        let synced = self
            .disk
            .open(&self.origins_path(), OpenMode::Existing)
            .and_then(|file| file.sync_data())
            .and_then(|()| self.disk.sync_dir(&self.dir));
        match synced {
            Ok(()) => {
                self.origins.unsynced = false;
                Ok(())
            }
            Err(error) => {
                self.origins.place = 0;
                Err(io_error(&format!("writing {ORIGINS}"), error))
            }
        }
    }

    /// What was written last; `None` where there is nothing, or nothing of use.
    pub(super) fn read_origins(&mut self) -> Option<SavedOrigins> {
        let file = match read_if_there(&*self.disk, &self.origins_path()) {
            Ok(file) => file?,
            Err(error) => {
                let text = format!("{ORIGINS} cannot be read: {error}");
                self.events.push(StoreEvent::Repaired(text));
                return None;
            }
        };
        let place = file.len() / 2;
        let (first, second) = file.split_at(place);
        let newest = [first, second]
            .into_iter()
            .filter_map(|bytes| self.unframe(bytes))
            .filter_map(|(generation, content)| Some((generation, decode(content)?)))
            .max_by_key(|(generation, _)| *generation);
        match newest {
            Some((generation, saved)) => {
                self.origins.generation = generation;
                self.origins.place = place;
                Some(saved)
            }
            None => {
                let text = format!("{ORIGINS} is damaged: the messages are read instead");
                self.events.push(StoreEvent::Repaired(text));
                None
            }
        }
    }
}
