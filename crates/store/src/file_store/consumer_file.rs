//! A consumer's directory: its configuration, and its progress in `o.dat`
//! (`server/store.go` `encodeConsumerState`, `decodeConsumerState`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, OpenMode};
use types::{SequencePair, Timestamp};

use super::consumer_copy::{self, COPY, Copy};
use super::consumer_found::Found;
use super::crypt::{self, Asset, Vault};
use super::files::remove_if_there;
use super::meta::{self, Sync};
use super::meta_copy;
use super::record::Hasher;
use super::varint::{Reader, push_i, push_u};
use crate::api::{ConsumerMeta, ConsumerState, ConsumerStore, Durability, PendingAck, StoreError};
use crate::error::io_error;

/// Name of the progress file.
pub(super) const STATE: &str = "o.dat";
const MAGIC: u8 = 0x16;
const VERSION: u8 = 2;
const NS: i64 = 1_000_000_000;
const TOP_BIT: u64 = 1 << 63;

/// Number of the save that a consumer is made with.
pub(super) const FIRST: u64 = 1;
/// How the name of a directory begins that is to become a consumer's; no consumer's does.
pub(super) const UNFINISHED: char = '.';

/// Encodes a consumer's progress. Times are kept in seconds.
pub(super) fn encode(state: &ConsumerState, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[MAGIC, VERSION]);
    push_u(out, state.ack_floor.consumer);
    push_u(out, state.ack_floor.stream);
    push_u(out, state.delivered.consumer);
    push_u(out, state.delivered.stream);
    push_u(out, state.pending.len() as u64);
    if !state.pending.is_empty() {
        // Any base does; the newest delivery keeps the differences small.
        let seconds = |ack: &PendingAck| ack.delivered.unix_ns().div_euclid(NS);
        let base = state.pending.iter().map(seconds).max().unwrap_or(0);
        push_i(out, base);
        for ack in &state.pending {
            push_u(out, ack.stream_seq.wrapping_sub(state.ack_floor.stream));
            push_u(out, ack.consumer_seq.wrapping_sub(state.ack_floor.consumer));
            push_i(out, base - seconds(ack));
        }
    }
    push_u(out, state.redelivered.len() as u64);
    for &(seq, count) in &state.redelivered {
        push_u(out, seq.wrapping_sub(state.ack_floor.stream));
        push_u(out, count);
    }
}

/// Decodes a consumer's progress, version 1 or 2; `None` if it is damaged, or something follows.
pub(super) fn decode(bytes: &[u8]) -> Option<ConsumerState> {
    let (state, rest) = decode_part(bytes)?;
    rest.is_empty().then_some(state)
}

fn decode_part(bytes: &[u8]) -> Option<(ConsumerState, &[u8])> {
    let version = match bytes {
        [MAGIC, version @ 1..=VERSION, ..] => *version,
        _ => return None,
    };
    let mut read = Reader::new(bytes);
    read.skip(2)?;
    let ack_floor = SequencePair { consumer: read.u()?, stream: read.u()? };
    let mut delivered = SequencePair { consumer: read.u()?, stream: read.u()? };
    if version == 1 {
        if ack_floor.consumer > 1 {
            delivered.consumer = delivered.consumer.checked_add(ack_floor.consumer - 1)?;
        }
        if ack_floor.stream > 1 {
            delivered.stream = delivered.stream.checked_add(ack_floor.stream - 1)?;
        }
    }
    if (ack_floor.stream | delivered.stream) & TOP_BIT != 0 {
        return None;
    }
    let mut state = ConsumerState { delivered, ack_floor, ..ConsumerState::default() };
    let pending = read.u()?;
    if pending > 0 {
        let base = read.i()?;
        for _ in 0..pending {
            let stream_seq = read.u()?.checked_add(ack_floor.stream)?;
            let consumer_seq = match version {
                1 => 0,
                _ => read.u()?.checked_add(ack_floor.consumer)?,
            };
            let ts = read.i()?;
            let seconds = match version {
                1 => ts.checked_add(base)?,
                _ => base.checked_sub(ts)?,
            };
            if stream_seq == 0 {
                return None;
            }
            let delivered = Timestamp::from_unix_ns(seconds.checked_mul(NS)?);
            state.pending.push(PendingAck { stream_seq, consumer_seq, delivered });
        }
    }
    for _ in 0..read.u()? {
        let seq = read.u()?.checked_add(ack_floor.stream)?;
        state.redelivered.push((seq, read.u()?));
    }
    state.pending.sort_unstable_by_key(|ack| ack.stream_seq);
    state.redelivered.sort_unstable();
    Some((state, read.rest()))
}

/// Where a consumer of a file stream keeps itself.
#[derive(Debug)]
pub(super) struct ConsumerFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    stream: String,
    asset: Asset,
    buf: Vec<u8>,
    hasher: Hasher,
    copy: Copy,
    /// Number of the last save.
    number: u64,
    /// An `o.dat` with a number is durable: a power cut leaves two copies, and brings none without
    /// a number back.
    durable: bool,
    /// Length of `o.dat`, if it may be written over.
    len: Option<usize>,
}

/// A consumer's progress as it was found.
#[derive(Debug, Default)]
pub(super) struct FoundState {
    pub(super) state: Option<ConsumerState>,
    /// What was damaged, for people.
    pub(super) damage: Option<String>,
}

fn creating(error: io::Error) -> StoreError {
    io_error("creating a consumer's directory", error)
}

/// The hash of a consumer's files.
pub(super) fn hasher_of(stream: &str, consumer: &str) -> Hasher {
    Hasher::new(&format!("{stream}/{consumer}"))
}

/// Makes a consumer's files durable, as they are. `o.dat` needs not be: its copy has it all.
pub(super) fn sync_consumer(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.sync_dir(dir)?;
    match disk.open(&dir.join(COPY), OpenMode::Existing) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copy => copy?.sync_data(),
    }
}

impl ConsumerFile {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, stream: &str, asset: Asset) -> Self {
        let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hasher = hasher_of(stream, name);
        ConsumerFile {
            disk,
            dir,
            stream: stream.to_owned(),
            asset,
            buf: Vec::new(),
            hasher,
            copy: Copy::default(),
            number: 0,
            durable: false,
            len: None,
        }
    }

    /// Makes the directory with key, configuration and progress, durably: whole under another
    /// name first, which a start removes.
    pub(super) fn create(
        &mut self,
        meta: &ConsumerMeta,
        state: &ConsumerState,
        vault: Option<&Vault>,
    ) -> Result<(), StoreError> {
        if self.disk.info(&self.dir).map_err(creating)?.is_some() {
            // Of a consumer of that name that is not served, or whose deletion was cut short.
            self.delete()?;
        }
        let unfinished = self.dir.with_file_name(format!("{UNFINISHED}{}", meta.name));
        let place = std::mem::replace(&mut self.dir, unfinished.clone());
        let laid_down = self.lay_down(meta, state, vault);
        self.dir = place;
        let made = laid_down.and_then(|()| {
            self.disk.rename(&unfinished, &self.dir).map_err(creating)?;
            self.sync_parent().map_err(creating)
        });
        if made.is_err() {
            // Best effort: it is not known how far it came.
            let _ = self.disk.remove_dir_all(&unfinished);
            let _ = self.delete();
        }
        made
    }

    /// Fills a new directory that nobody looks into; all but its own name is durable then, and
    /// `o.dat`, whose copy has it all.
    fn lay_down(
        &mut self,
        meta: &ConsumerMeta,
        state: &ConsumerState,
        vault: Option<&Vault>,
    ) -> Result<(), StoreError> {
        self.disk.remove_dir_all(&self.dir).map_err(creating)?;
        self.disk.create_dir_all(&self.dir).map_err(creating)?;
        let context = format!("{}.{}", self.stream, meta.name);
        self.asset = meta::create_key(&*self.disk, &self.dir, vault, &context)?;
        meta::lay_down_consumer(&*self.disk, &self.dir, &self.stream, meta, &self.asset)?;
        let stored = self.seal(state)?;
        meta::replace_file(&*self.disk, &self.dir.join(STATE), &stored, Sync::Later)?;
        self.len = Some(stored.len());
        // Last, as it makes the names durable.
        self.copy.write(&*self.disk, &self.dir, &stored, Durability::Synced)
    }

    /// Puts the next save, not yet encrypted, in `buf`.
    fn encode_next(&mut self, state: &ConsumerState) {
        self.number += 1;
        encode(state, &mut self.buf);
        consumer_copy::seal(&self.hasher, &mut self.buf, self.number);
    }

    /// The next save, as it is stored.
    fn seal(&mut self, state: &ConsumerState) -> Result<Vec<u8>, StoreError> {
        self.encode_next(state);
        let bytes = std::mem::take(&mut self.buf);
        match &self.asset.0 {
            None => Ok(bytes),
            Some(secret) => secret
                .seal(&bytes)
                .map_err(|error| io_error("encrypting a consumer's state", error)),
        }
    }

    fn sync_parent(&self) -> io::Result<()> {
        match self.dir.parent() {
            Some(parent) => self.disk.sync_dir(parent),
            None => Ok(()),
        }
    }

    /// What is stored. A damaged file is kept aside. `synced` says that all of it is durable.
    pub(super) fn read_state(&mut self, synced: bool) -> Result<FoundState, StoreError> {
        let error = |error| io_error("reading a consumer's state", error);
        let found =
            Found::read(&*self.disk, &self.dir, &self.asset, &self.hasher).map_err(error)?;
        self.number = found.number();
        self.durable = found.saved.as_ref().is_some_and(|saved| saved.number > 0);
        self.len = found.bytes.as_ref().filter(|_| self.durable).map(Vec::len);
        self.copy = found.copy;
        if !synced && found.copied.is_some() {
            self.copy.keep_newest();
        }
        if let (false, Some(later), Some(stored)) = (synced, found.uncopied(), &found.bytes) {
            self.disk
                .open(&self.dir.join(STATE), OpenMode::Existing)
                .and_then(|file| file.sync_data())
                .map_err(error)?;
            // The next save may write over it: by then the copy has it, or it is replaced.
            let copied = later.number > 0
                && self.copy.write(&*self.disk, &self.dir, stored, Durability::Synced).is_ok();
            self.len = self.len.filter(|_| copied);
        }
        let damage = found.damage().map(|damage| format!("{STATE} {damage}"));
        let state = found.state().cloned();
        if damage.is_some() && found.bytes.as_ref().is_some_and(|bytes| !bytes.is_empty()) {
            self.set_state_aside()?;
        }
        if let (None, Some(state)) = (&found.saved, &state) {
            let durability = match &damage {
                Some(_) => Durability::Synced,
                None => Durability::Written,
            };
            // Where there is no room now, the next save does it.
            let _ = self.save(state, durability);
        }
        Ok(FoundState { state, damage })
    }

    /// Writes configuration and progress anew under the configured key.
    pub(super) fn rekey(
        &mut self,
        vault: &Vault,
        name: &str,
        state: Option<&ConsumerState>,
    ) -> Result<(), StoreError> {
        let context = vault.consumer_context(name);
        let meta = crypt::read_asset(&*self.disk, Some(vault), &self.dir, &context)
            .map_err(StoreError::Damaged)?;
        let path = self.dir.join(STATE);
        if let Some(state) = state {
            self.encode_next(state);
        }
        let hashed = format!("{}/{name}", self.stream);
        let keyed =
            crypt::Keyed { dir: &self.dir, name: &hashed, context: &context, sealed: &path };
        let secret = crypt::rekey_dir(&*self.disk, vault, keyed, &meta.plain, |secret| {
            state.map(|_| secret.seal(&self.buf)).transpose()
        })?;
        self.asset = Asset(Some(secret));
        // The copy is under the old key, or none.
        remove_if_there(&*self.disk, &self.dir.join(COPY))
            .map_err(|error| io_error("removing a copy under an old key", error))?;
        (self.copy, self.len) = (Copy::default(), None);
        match (state, self.disk.read(&path)) {
            (Some(_), Ok(stored)) => {
                self.copy.write(&*self.disk, &self.dir, &stored, Durability::Synced)
            }
            _ => Ok(()),
        }
    }

    /// Removes what was being stored when that was cut short: written over later, and the power
    /// cut in between, it would come to light under its final name.
    pub(super) fn drop_unfinished(&self) -> Result<(), StoreError> {
        for name in [STATE, COPY] {
            remove_if_there(&*self.disk, &self.dir.join(format!("{name}.tmp")))
                .map_err(|error| io_error("removing a consumer's unfinished state", error))?;
        }
        Ok(())
    }

    /// Moves a damaged state aside.
    fn set_state_aside(&self) -> Result<(), StoreError> {
        self.disk
            .rename(&self.dir.join(STATE), &self.dir.join(format!("{STATE}.bad")))
            .map_err(|error| io_error("setting a consumer's state aside", error))
    }
}

impl ConsumerStore for ConsumerFile {
    fn save(&mut self, state: &ConsumerState, durability: Durability) -> Result<(), StoreError> {
        let stored = self.seal(state)?;
        // It is the copy that is synced: in place, and so at half the price.
        self.copy.write(&*self.disk, &self.dir, &stored, durability)?;
        let path = self.dir.join(STATE);
        let sync = match durability {
            Durability::Synced if !self.durable => Sync::Now,
            _ => Sync::Later,
        };
        match self.len.take() {
            Some(len) if sync == Sync::Later => {
                // Cut short, it is made good from the copy. A new file for each costs much more.
                let error = |error| io_error("writing a consumer's progress", error);
                let file = self.disk.open(&path, OpenMode::Existing).map_err(error)?;
                file.write_all_at(&stored, 0).map_err(error)?;
                if stored.len() < len {
                    file.set_len(stored.len() as u64).map_err(error)?;
                }
            }
            _ => {
                meta::replace_file(&*self.disk, &path, &stored, sync)?;
                self.durable |= sync == Sync::Now;
            }
        }
        self.len = Some(stored.len());
        self.buf = stored;
        Ok(())
    }

    fn update_config(&mut self, meta: &ConsumerMeta) -> Result<(), StoreError> {
        meta::write_consumer(&*self.disk, &self.dir, &self.stream, meta, &self.asset)
    }

    fn delete(&mut self) -> Result<(), StoreError> {
        let error = |error| io_error("deleting a consumer", error);
        // One after the other, durably: a crash must not leave it with its configuration but
        // without its progress, nor with an old configuration from the copy.
        for name in [meta_copy::COPY, meta::META] {
            remove_if_there(&*self.disk, &self.dir.join(name)).map_err(error)?;
            self.disk.sync_dir(&self.dir).map_err(error)?;
        }
        self.disk.remove_dir_all(&self.dir).map_err(error)?;
        self.sync_parent().map_err(error)
    }
}
