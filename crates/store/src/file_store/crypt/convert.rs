//! Bringing a stream under the configured key and cipher: its blocks, its consumers, itself.
//!
//! A block and its key are two files that change together: the new block is laid beside the old
//! one, then the new key. Renaming the block decides; the key follows, at the next start if need
//! be. Every file can be read at every point, by the old key or by the new one.

use std::io;
use std::path::{Path, PathBuf};

use env::Disk;

use super::block_disk::{key_path, read_block_key, write_key};
use super::key_file::keep_copy;
use super::{Asset, Keyed, Origin, Vault, read_asset, rekey_dir};
use crate::api::{StoreError, StoreEvent};
use crate::error::io_error;
use crate::file_store::block::file_path;
use crate::file_store::checkpoint::CHECKPOINT;
use crate::file_store::files::{read_if_there, remove_if_there};
use crate::file_store::index_write::WITNESS;
use crate::file_store::meta::{Sync, replace_file};
use crate::file_store::record::{self, Hasher};
use crate::file_store::{FileStore, INDEX, IndexDue, packed};

/// What is read of a block to see whether it is plain.
const FIRST_LOOK: usize = 64 << 10;

fn new_block(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index}.blk.new"))
}

fn new_key(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index}.key.new"))
}

fn failed(error: io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::InvalidData {
        return StoreError::Damaged(error.to_string());
    }
    io_error("changing the key of a block", error)
}

impl FileStore {
    /// Looks at the keys of all blocks before anything is changed; finishes changes of keys that
    /// were cut short, and mends what the reference is known to have broken.
    ///
    /// # Errors
    /// `Damaged` if a block's key is missing or not ours.
    pub(in crate::file_store) fn check_block_keys(
        &mut self,
        numbers: &[u64],
    ) -> Result<(), StoreError> {
        let Some(vault) = self.vault.clone() else { return Ok(()) };
        let (disk, dir) = (self.raw_disk.clone(), self.msgs_dir.clone());
        let mut unkeyed = Vec::new();
        for &index in numbers {
            let next = new_key(&dir, index);
            let decided = is_there(&*disk, &next)? && !is_there(&*disk, &new_block(&dir, index))?;
            let path = if decided { next } else { key_path(&dir, index) };
            let key = match read_block_key(&*disk, &vault, &path, index) {
                // The reference makes the file first, and then its key.
                Err(_) if self.is_empty_file(index)? => {
                    unkeyed.push(index);
                    continue;
                }
                other => other.map_err(failed)?,
            };
            match key {
                Some((_, Origin::Current)) => {}
                Some((_, Origin::Stale)) => self.stale_blocks.push(index),
                Some((_, Origin::Damaged)) => {
                    let what = format!("the key of block {index} was damaged; it gets another");
                    self.events.push(StoreEvent::Repaired(what));
                    self.stale_blocks.push(index);
                }
                // A stream gets its own key after its blocks. Of a block that a power cut tore there
                // may be nothing that tells.
                None if self.asset.0.is_none() || self.looks_plain(index)? => {
                    self.stale_blocks.push(index);
                }
                None => {
                    return Err(StoreError::Damaged(format!("block {index} has no key")));
                }
            }
        }
        for index in unkeyed {
            let (_, key) = vault.generate(&vault.block_context(index)).map_err(failed)?;
            write_key(&*disk, &key_path(&dir, index), &key).map_err(failed)?;
        }
        for &index in numbers {
            finish_block(&*disk, &dir, index).map_err(failed)?;
            self.mend_packed_cipher(index)?;
        }
        Ok(())
    }

    fn is_empty_file(&self, index: u64) -> Result<bool, StoreError> {
        let info = self.raw_disk.info(&file_path(&self.msgs_dir, index)).map_err(failed)?;
        Ok(info.is_some_and(|info| info.len == 0))
    }

    /// Whether a block without a key can be one of a plain store.
    fn looks_plain(&self, index: u64) -> Result<bool, StoreError> {
        let path = file_path(&self.msgs_dir, index);
        let file = self.raw_disk.open(&path, env::OpenMode::Existing).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        let mut start = vec![0; usize::try_from(len).map_or(FIRST_LOOK, |len| len.min(FIRST_LOOK))];
        file.read_exact_at(&mut start, 0).map_err(failed)?;
        if start.is_empty() || packed::is_packed(&start) {
            return Ok(true);
        }
        let mut sound = false;
        let hasher = Hasher::of_block(&self.config.name, index);
        record::scan(&start, &hasher, |_, _| sound = true);
        if !sound && start.len() as u64 != len {
            let all = self.raw_disk.read(&path).map_err(failed)?;
            record::scan(&all, &hasher, |_, _| sound = true);
        }
        Ok(sound)
    }

    /// The reference once compressed blocks after it had encrypted them (and left the head away),
    /// and could not read them again: they are laid down as they should be, with nothing lost.
    fn mend_packed_cipher(&mut self, index: u64) -> Result<(), StoreError> {
        let path = file_path(&self.msgs_dir, index);
        let mut start = [0; packed::START];
        let file = self.raw_disk.open(&path, env::OpenMode::Existing).map_err(failed)?;
        if file.len().map_err(failed)? < start.len() as u64 {
            return Ok(());
        }
        file.read_exact_at(&mut start, 0).map_err(failed)?;
        drop(file);
        let has_key = is_there(&*self.raw_disk, &key_path(&self.msgs_dir, index))?;
        if !has_key || !packed::is_headless(&start) {
            return Ok(());
        }
        let stored = self.raw_disk.read(&path).map_err(failed)?;
        let cipher = packed::unpack(&stored);
        if cipher.is_empty() {
            // What cannot be unfolded is left for those who look at damage.
            return Ok(());
        }
        self.set_aside(index, &stored)?;
        replace_file(&*self.raw_disk, &path, &cipher, Sync::Now)
    }

    /// Writes everything that is not under the configured key and cipher anew.
    pub(in crate::file_store) fn convert(&mut self) -> Result<(), StoreError> {
        let Some(vault) = self.vault.clone() else { return Ok(()) };
        self.finish_aside().map_err(failed)?;
        if !self.buried.is_empty() {
            // Files of the plain store, which its index needs.
            self.drop_index()?;
            self.index_due = IndexDue::Must;
        }
        for going in self.journal.dead.iter_mut().chain(&mut self.waiting) {
            going.file = None;
        }
        for index in std::mem::take(&mut self.stale_blocks) {
            let at = self.blocks.binary_search_by_key(&index, |block| block.index);
            match at.ok().and_then(|at| self.blocks.get_mut(at)) {
                Some(block) => block.file = None,
                None if !is_there(&*self.raw_disk, &file_path(&self.msgs_dir, index))? => continue,
                // It is still to go, and the next opening may not have the old key any more.
                None => {}
            }
            self.rekey_block(&vault, index)?;
        }
        if self.dir_dirty {
            // What went must not come back under the old key, or plain.
            self.sync_names()?;
        }
        if self.asset_origin != Origin::Current {
            self.rekey_stream(&vault)?;
            // The witness is under the old key, or none; the next index brings a new one.
            let witness = self.msgs_dir.join(WITNESS);
            remove_if_there(&*self.disk, &witness)
                .map_err(|error| io_error("removing a copy under an old key", error))?;
        }
        Ok(())
    }

    fn rekey_block(&self, vault: &Vault, index: u64) -> Result<(), StoreError> {
        let (disk, dir) = (&*self.raw_disk, &*self.msgs_dir);
        let mut bytes = self.disk.read(&file_path(dir, index)).map_err(failed)?;
        let (secret, key) = vault.generate(&vault.block_context(index)).map_err(failed)?;
        secret.key_stream().apply(&mut bytes, 0).map_err(failed)?;
        // In this order: the new key alone says that the block has its new bytes.
        replace_file(disk, &new_block(dir, index), &bytes, Sync::Now)?;
        write_key(disk, &new_key(dir, index), &key).map_err(failed)?;
        disk.rename(&new_block(dir, index), &file_path(dir, index)).map_err(failed)?;
        disk.sync_dir(dir).map_err(failed)?;
        disk.rename(&new_key(dir, index), &key_path(dir, index)).map_err(failed)?;
        disk.sync_dir(dir).map_err(failed)?;
        keep_copy(disk, &key_path(dir, index), &key);
        Ok(())
    }

    fn rekey_stream(&mut self, vault: &Vault) -> Result<(), StoreError> {
        let context = vault.stream_context();
        let disk = &*self.raw_disk;
        let meta =
            read_asset(disk, Some(vault), &self.dir, &context).map_err(StoreError::Damaged)?;
        // It only makes a start shorter; the next index brings a new one.
        remove_if_there(disk, &self.msgs_dir.join(CHECKPOINT)).map_err(failed)?;
        let index = self.msgs_dir.join(INDEX);
        let stored = read_if_there(disk, &index).map_err(failed)?;
        let plain = stored.and_then(|stored| self.open_index(stored));
        let keyed =
            Keyed { dir: &self.dir, name: &self.config.name, context: &context, sealed: &index };
        let secret = rekey_dir(disk, vault, keyed, &meta.plain, |secret| {
            self.reseal_aside(secret)?;
            let asset = Asset(Some(secret.clone()));
            plain.map(|plain| self.seal_index(&asset, plain)).transpose()
        })?;
        self.asset = Asset(Some(secret));
        self.asset_origin = Origin::Current;
        self.finish_aside().map_err(failed)
    }

    /// An index as it was made, from what is stored; `None` if it is damaged.
    pub(in crate::file_store) fn open_index(&self, stored: Vec<u8>) -> Option<Vec<u8>> {
        let Some(secret) = &self.asset.0 else { return Some(stored) };
        let (body, sum) = stored.split_last_chunk::<8>()?;
        let hasher = self.hasher();
        if hasher.sum(&[body]) != *sum {
            return None;
        }
        let mut plain = secret.open(body)?;
        let sum = hasher.sum(&[&plain]);
        plain.extend_from_slice(&sum);
        Some(plain)
    }

    /// An index as it is stored. Its checksum is that of the stored bytes.
    pub(in crate::file_store) fn seal_index(
        &self,
        asset: &Asset,
        plain: Vec<u8>,
    ) -> io::Result<Vec<u8>> {
        let Some(secret) = &asset.0 else { return Ok(plain) };
        let body = plain.get(..plain.len().saturating_sub(8)).unwrap_or_default();
        let mut stored = secret.seal(body)?;
        let sum = self.hasher().sum(&[&stored]);
        stored.extend_from_slice(&sum);
        Ok(stored)
    }
}

fn is_there(disk: &dyn Disk, path: &Path) -> Result<bool, StoreError> {
    Ok(disk.info(path).map_err(failed)?.is_some())
}

/// Finishes or undoes the change of a block's key.
fn finish_block(disk: &dyn Disk, dir: &Path, index: u64) -> io::Result<()> {
    let (key, block) = (new_key(dir, index), new_block(dir, index));
    let undecided = disk.info(&block)?.is_some();
    if disk.info(&key)?.is_some() {
        if undecided {
            remove_if_there(disk, &key)?;
        } else {
            disk.rename(&key, &key_path(dir, index))?;
        }
        disk.sync_dir(dir)?;
    }
    if undecided { remove_if_there(disk, &block) } else { Ok(()) }
}
