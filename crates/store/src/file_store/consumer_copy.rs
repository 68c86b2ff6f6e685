//! `o.copy`: a second copy of a consumer's progress, and the one that is synced.
//!
//! The reference reads `o.dat` up to its last field and takes no notice of what follows: there
//! stand the number of the save and a checksum. What the reference wrote has none, and must end
//! with its last field. The copy, which the reference ignores, has two places that are written over
//! in turn, never the one that was synced last: a save costs one write, and a durable one a single
//! sync. Whichever has the highest number counts.

use std::io;
use std::path::Path;

use env::{Disk, OpenMode};

use super::consumer_file::decode;
use super::files::read_if_there;
use super::meta::{Sync, replace_file};
use super::record::Hasher;
use crate::api::{ConsumerState, Durability, StoreError};
use crate::canary::{self, Canary};
use crate::error::io_error;

/// The copy's name.
pub(super) const COPY: &str = "o.copy";
const SUM: usize = 8;
/// Behind progress of which the number was not told yet.
const OLD_MARK: &[u8; 4] = b"jcs1";
const MARK: &[u8; 4] = b"jcs2";
/// Before a slot's content: whether it was to be synced, its room and its length.
const SLOT_MARK: &[u8; 3] = b"jcc";
const SYNCED: u8 = b's';
const WRITTEN: u8 = b'w';
const SLOT_HEAD: usize = 12;
/// A slot does not share a sector with the other.
const LEAST_ROOM: usize = 512;

/// A consumer's progress, and which save it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) state: ConsumerState,
    /// Number of the save; 0 if it does not say.
    pub(super) number: u64,
}

impl Saved {
    /// Whether it was saved before the copy was. Without a number it was by a server that knows no
    /// copy; or it lost its end in a power cut, and then it may be behind.
    pub(super) fn is_before(&self, copy: &Saved) -> bool {
        let places = |state: &ConsumerState| {
            let (delivered, floor) = (state.delivered, state.ack_floor);
            [delivered.consumer, delivered.stream, floor.consumer, floor.stream]
        };
        let (mine, its) = (places(&self.state), places(&copy.state));
        match self.number {
            // With all else equal, acks only take from what is pending.
            0 if mine == its => self.state.pending.len() > copy.state.pending.len(),
            0 => mine.iter().zip(its).any(|(mine, its)| *mine < its),
            number => number < copy.number,
        }
    }
}

/// Adds number and checksum.
pub(super) fn seal(hasher: &Hasher, bytes: &mut Vec<u8>, number: u64) {
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(&number.to_le_bytes());
    let sum = hasher.sum(&[bytes]);
    bytes.extend_from_slice(&sum);
}

/// The progress, if it is sound.
pub(super) fn open(hasher: &Hasher, bytes: &[u8]) -> Option<Saved> {
    if let Some((rest, sum)) = bytes.split_last_chunk::<SUM>() {
        if let Some((body, number)) = rest.split_last_chunk::<8>()
            && let Some(body) = body.strip_suffix(MARK)
        {
            let state = (hasher.sum(&[rest]) == *sum).then(|| decode(body))??;
            return Some(Saved { state, number: u64::from_le_bytes(*number) });
        }
        if let Some(body) = rest.strip_suffix(OLD_MARK) {
            let state = (hasher.sum(&[body]) == *sum).then(|| decode(body))??;
            return Some(Saved { state, number: 0 });
        }
    }
    Some(Saved { state: decode(bytes)?, number: 0 })
}

/// Where the next save goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copy {
    /// Size of a slot; 0 as long as there is no file.
    room: usize,
    /// The slot that must stay until the other one is durable.
    kept: usize,
    /// The one that was written last.
    newest: usize,
    /// The file's name is durable.
    named: bool,
}

/// What a slot holds.
struct Slot<'b> {
    room: usize,
    synced: bool,
    stored: &'b [u8],
}

impl Copy {
    /// Stores what is to be found if `o.dat` is not.
    pub(super) fn write(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        stored: &[u8],
        durability: Durability,
    ) -> Result<(), StoreError> {
        let synced = durability == Durability::Synced && !canary::sings(Canary::ConsumerNotSynced);
        let path = dir.join(COPY);
        let needed = SLOT_HEAD + stored.len();
        if needed > self.room {
            let room = needed.next_power_of_two().max(LEAST_ROOM);
            // Also unasked: what was durable goes with the old file.
            let sync = if synced || self.room > 0 { Sync::Now } else { Sync::Later };
            replace_file(disk, &path, &slot(room, stored, synced), sync)?;
            *self = Copy { room, kept: 0, newest: 0, named: sync == Sync::Now };
            return Ok(());
        }
        let other = 1 - self.kept;
        let error = |error| io_error("writing a consumer's progress", error);
        let file = disk.open(&path, OpenMode::Existing).map_err(error)?;
        let bytes = slot(self.room, stored, synced);
        file.write_all_at(&bytes, (other * self.room) as u64).map_err(error)?;
        self.newest = other;
        if synced {
            file.sync_data().map_err(error)?;
            if !self.named {
                disk.sync_dir(dir).map_err(error)?;
                self.named = true;
            }
            self.kept = other;
        }
        Ok(())
    }

    /// The latest of what the slots hold, by what `judge` takes for sound.
    pub(super) fn read(
        disk: &dyn Disk,
        dir: &Path,
        mut judge: impl FnMut(&[u8]) -> Option<Saved>,
    ) -> io::Result<(Self, Option<Saved>)> {
        let bytes = read_if_there(disk, &dir.join(COPY))?.unwrap_or_default();
        let rooms = std::iter::successors(Some(LEAST_ROOM), |room| room.checked_mul(2));
        let at = |offset: usize| slot_at(bytes.get(offset..)?);
        let second = rooms
            .take_while(|&room| room < bytes.len())
            .find(|&room| at(room).is_some_and(|slot| slot.room == room));
        let (mut copy, mut kept, mut best) = (Copy::default(), None, None::<Saved>);
        for (which, slot) in [(0, at(0)), (1, second.and_then(at))] {
            let Some(slot) = slot else { continue };
            let Some(saved) = judge(slot.stored) else { continue };
            let number = saved.number;
            if best.as_ref().is_none_or(|best| best.number < number) {
                (copy.room, copy.newest) = (slot.room, which);
                best = Some(saved);
            }
            if slot.synced && kept.is_none_or(|(other, _)| other < number) {
                kept = Some((number, which));
            }
        }
        copy.named = kept.is_some();
        copy.kept = kept.map_or(copy.newest, |(_, which)| which);
        Ok((copy, best))
    }

    /// All that was read is durable.
    pub(super) fn keep_newest(&mut self) {
        self.kept = self.newest;
        self.named = true;
    }
}

/// The bytes of a slot.
fn slot(room: usize, stored: &[u8], synced: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(SLOT_HEAD + stored.len());
    out.extend_from_slice(SLOT_MARK);
    out.push(if synced { SYNCED } else { WRITTEN });
    out.extend_from_slice(&(room as u32).to_le_bytes());
    out.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    out.extend_from_slice(stored);
    out
}

/// The slot that starts here.
fn slot_at(bytes: &[u8]) -> Option<Slot<'_>> {
    let (kind, rest) = bytes.strip_prefix(SLOT_MARK)?.split_first()?;
    let (room, rest) = rest.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let room = u32::from_le_bytes(*room) as usize;
    let stored = rest.get(..u32::from_le_bytes(*len) as usize)?;
    let is_slot = matches!(*kind, SYNCED | WRITTEN)
        && room.is_power_of_two()
        && room >= SLOT_HEAD + stored.len();
    is_slot.then_some(Slot { room, synced: *kind == SYNCED, stored })
}
