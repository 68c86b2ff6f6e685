//! Batches that are stored as one, in the reference's form: `batches/<hash of the id>` is a small
//! file store of the batch's messages (`server/jetstream_batching.go` `newBatchStore`).
//!
//! It is written before the first message goes into the stream and removed after the last one is
//! durable. A crash between the two leaves the stream's end in the middle of a batch, and the rest
//! of it here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, OpenMode};
use sha2::{Digest, Sha256};

use super::block::file_path;
use super::crypt::{BlockDisk, Vault};
use super::record::{self, Hasher, Kind, Message};
use super::{FileStore, MSGS};
use crate::api::{CutBatch, Durability, NewMsg, OwnedMsg, StoreError};
use crate::error::io_error;
use crate::ttl::header;

const BATCHES: &str = "batches";
const ID: &[u8] = b"Nats-Batch-Id";
const SEQUENCE: &[u8] = b"Nats-Batch-Sequence";
const COMMIT: &[u8] = b"Nats-Batch-Commit";
/// The value of a commit that is not stored itself.
const END: &[u8] = b"eob";

/// The place of a message in its batch.
struct Part {
    id: Vec<u8>,
    sequence: u64,
    /// It is the last one.
    ends: bool,
}

/// Name of a batch's directory (`server/events.go` `getHash`).
fn dir_name(id: &[u8]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digest = Sha256::digest(id);
    digest.iter().take(8).map(|&byte| char::from(DIGITS[usize::from(byte) % 62])).collect()
}

impl FileStore {
    fn batch_disk(&self, name: &str) -> Arc<dyn Disk> {
        match (&self.vault, self.account_dir()) {
            (Some(_), Some(account)) if self.options.encryption.is_some() => {
                let vault = self.options.encryption.map(|key| Vault::new(key, account, name));
                match vault {
                    Some(vault) => {
                        Arc::new(BlockDisk::new(Arc::clone(&self.raw_disk), Arc::new(vault)))
                    }
                    None => Arc::clone(&self.raw_disk),
                }
            }
            _ => Arc::clone(&self.raw_disk),
        }
    }

    fn account_dir(&self) -> Option<&Path> {
        self.dir.parent().and_then(Path::parent)
    }

    pub(super) fn keep_batch(
        &mut self,
        id: &[u8],
        msgs: &[NewMsg<'_>],
        durability: Durability,
    ) -> Result<(), StoreError> {
        self.writable()?;
        let name = dir_name(id);
        let dir = self.dir.join(BATCHES).join(&name);
        let result = self.write_batch(&name, &dir, msgs, durability);
        self.staged.push(dir);
        result.map_err(|error| io_error("keeping a batch", error))
    }

    fn write_batch(
        &self,
        name: &str,
        dir: &Path,
        msgs: &[NewMsg<'_>],
        durability: Durability,
    ) -> std::io::Result<()> {
        let hasher = Hasher::of_block(name, 1);
        let mut bytes = Vec::new();
        for (seq, msg) in (1..).zip(msgs) {
            let NewMsg { subject, headers, payload, ts, .. } = *msg;
            let message = Message { seq, ts_ns: ts.unix_ns(), subject, headers, payload };
            record::push_message(&mut bytes, &hasher, &message);
        }
        let disk = self.batch_disk(name);
        let blocks = dir.join(MSGS);
        disk.create_dir_all(&blocks)?;
        let file = disk.open(&file_path(&blocks, 1), OpenMode::Truncate)?;
        file.write_all_at(&bytes, 0)?;
        if durability == Durability::Synced {
            file.sync_data()?;
            for dir in [&blocks, dir, &self.dir.join(BATCHES), &self.dir] {
                disk.sync_dir(dir)?;
            }
        }
        Ok(())
    }

    /// After a flush the batches are in the stream.
    pub(super) fn drop_staged(&mut self) {
        for dir in std::mem::take(&mut self.staged) {
            // One that stays is not looked at: the stream does not end within it.
            let _ = self.raw_disk.remove_dir_all(&dir);
        }
    }

    pub(super) fn find_cut_batch(&mut self) -> Result<Option<CutBatch>, StoreError> {
        if !self.config.allow_atomic {
            return Ok(None);
        }
        let cut = self.read_cut_batch()?;
        if cut.is_none() {
            self.forget_batches()?;
        }
        Ok(cut)
    }

    /// Removes what was kept of batches; once the stream is whole.
    fn forget_batches(&self) -> Result<(), StoreError> {
        self.raw_disk
            .remove_dir_all(&self.dir.join(BATCHES))
            .map_err(|error| io_error("removing batches", error))
    }

    fn read_cut_batch(&mut self) -> Result<Option<CutBatch>, StoreError> {
        if let Some(torn) = self.find_torn_batch()? {
            return Ok(Some(torn));
        }
        let last_seq = self.last_seq;
        let Some(Part { id, sequence, ends: false }) = self.part_of_batch(last_seq)? else {
            return Ok(None);
        };
        let name = dir_name(&id);
        let dir = self.dir.join(BATCHES).join(&name);
        let rest = self.kept_messages(&name, &dir)?.into_iter().filter(|&(seq, _)| seq > sequence);
        if let Some(append) = whole_rest(rest.collect(), sequence) {
            self.staged.push(dir);
            return Ok(Some(CutBatch { remove: Vec::new(), append }));
        }
        let remove = self.present_parts(&id, last_seq.saturating_sub(sequence), sequence)?;
        Ok(Some(CutBatch { remove, append: Vec::new() }))
    }

    /// A kept batch of which records are damaged in the stream's end: it was never made durable,
    /// so it is written anew.
    fn find_torn_batch(&mut self) -> Result<Option<CutBatch>, StoreError> {
        let error = |error| io_error("looking for batches", error);
        let batches = self.dir.join(BATCHES);
        if self.lost.msgs.is_empty() || self.raw_disk.info(&batches).map_err(error)?.is_none() {
            return Ok(None);
        }
        for entry in self.raw_disk.list(&batches).map_err(error)? {
            let Some(name) = entry.name.to_str() else { continue };
            let dir = batches.join(name);
            let Some(append) = whole_rest(self.kept_messages(name, &dir)?, 0) else { continue };
            let count = append.len() as u64;
            let Some(id) = append.first().and_then(|msg| header(&msg.headers, ID)) else {
                continue;
            };
            let id = id.to_vec();
            let mut base = None;
            for seq in (self.last_seq.saturating_sub(count) + 1..=self.last_seq).rev() {
                if let Some(part) = self.part_of_batch(seq)?.filter(|part| part.id == id) {
                    base = seq.checked_sub(part.sequence);
                    break;
                }
            }
            let Some(base) = base else { continue };
            let torn = base + 1..=base + count;
            if self.lost.msgs.iter().any(|seq| torn.contains(seq)) {
                let remove = self.present_parts(&id, base, count)?;
                self.lost.msgs.retain(|seq| !torn.contains(seq));
                if self.lost.msgs.is_empty() {
                    self.forget_lost()?;
                } else {
                    self.write_lost()?;
                }
                self.staged.push(dir);
                return Ok(Some(CutBatch { remove, append }));
            }
        }
        Ok(None)
    }

    /// Sequences of the batch that starts behind `base` and of which messages are there.
    fn present_parts(&mut self, id: &[u8], base: u64, count: u64) -> Result<Vec<u64>, StoreError> {
        let mut present = Vec::new();
        for number in 1..=count {
            let part = self.part_of_batch(base + number)?;
            if part.is_some_and(|part| part.id == id && part.sequence == number) {
                present.push(base + number);
            }
        }
        Ok(present)
    }

    fn part_of_batch(&mut self, seq: u64) -> Result<Option<Part>, StoreError> {
        let Some(msg) = self.read(seq)? else { return Ok(None) };
        let number = header(msg.headers, SEQUENCE).and_then(|text| std::str::from_utf8(text).ok());
        let number = number.and_then(|text| text.parse().ok()).filter(|&number: &u64| number > 0);
        let ends = header(msg.headers, COMMIT).is_some();
        Ok(match (header(msg.headers, ID), number) {
            (Some(id), Some(sequence)) => Some(Part { id: id.to_vec(), sequence, ends }),
            _ => None,
        })
    }

    /// What was kept of a batch, ascending.
    fn kept_messages(&self, name: &str, dir: &Path) -> Result<Vec<(u64, OwnedMsg)>, StoreError> {
        let disk = self.batch_disk(name);
        let mut kept = Vec::new();
        for number in 1.. {
            let path: PathBuf = file_path(&dir.join(MSGS), number);
            let bytes = match disk.read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                // Such as one under another key: as if it was not kept.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => break,
                Err(error) => return Err(io_error("reading a batch", error)),
            };
            record::scan(&bytes, &Hasher::of_block(name, number), |_, record| {
                if record.kind == Kind::Message {
                    let msg = OwnedMsg {
                        subject: record.subject.to_vec(),
                        headers: record.headers.to_vec(),
                        payload: record.payload.to_vec(),
                    };
                    kept.push((record.seq, msg));
                }
            });
        }
        Ok(kept)
    }
}

/// The messages behind `reached`, if they go on without a gap up to the end of their batch.
fn whole_rest(rest: Vec<(u64, OwnedMsg)>, reached: u64) -> Option<Vec<OwnedMsg>> {
    let gapless = rest.iter().zip(reached + 1..).all(|(&(seq, _), wanted)| seq == wanted);
    let mut rest: Vec<OwnedMsg> = rest.into_iter().map(|(_, msg)| msg).collect();
    let last = rest.last()?;
    let commit = header(&last.headers, COMMIT)?;
    if !gapless {
        return None;
    }
    if commit == END {
        rest.pop();
        // The one before it ends the batch then, if it is not in the stream already.
        let last = rest.last_mut()?;
        let end = last.headers.len().checked_sub(2)?;
        last.headers.truncate(end);
        last.headers.extend_from_slice(b"Nats-Batch-Commit: 1\r\n\r\n");
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    #[test]
    fn directories_are_named_as_the_reference_names_them() {
        // SHA-256("abc") starts ba 78 16 bf 8f 01 cf ea.
        assert_eq!(super::dir_name(b"abc"), "0wM5J1Lm");
    }
}
