//! Writing `index.db` from the state.

use super::index_db::{BlockState, Index, Writer};
use super::meta::{self, Sync};
use super::{FileStore, INDEX};
use crate::api::StoreError;
use crate::error::io_error;

impl FileStore {
    /// Bytes that `index.db` would have, about.
    pub(super) fn index_estimate(&self) -> usize {
        let deleted: usize =
            self.blocks.iter().map(|block| block.deleted.encoded_len()).sum::<usize>();
        self.subjects.len() as usize * 40 + self.blocks.len() * 40 + deleted
    }

    /// Writes `index.db` from the state, which must be flushed.
    pub(super) fn write_index(&mut self) -> Result<(), StoreError> {
        // Recovery takes what an exact index tells of for durable.
        self.sync_or_doubt()?;
        let Some(tail) = self.blocks.back_mut() else { return Ok(()) };
        let last_block = tail.index;
        let checksum = tail.last_checksum(&*self.disk, &self.msgs_dir)?;
        self.index_ends_in_zeros = checksum == [0; 8];
        // The zero time is written as none.
        let normal = |ns: i64| if ns == types::Timestamp::ZERO.unix_ns() { 0 } else { ns };
        let totals = Index {
            msgs: self.msgs,
            bytes: self.bytes,
            first_seq: self.first_seq,
            first_ns: if self.msgs == 0 { 0 } else { self.first_ns },
            last_seq: self.last_seq,
            last_ns: normal(self.last_ns),
            ..Index::default()
        };
        let tree = self.subjects.tree();
        let mut writer = Writer::new(&totals, tree.len());
        let number = |seq: u64| {
            let at = self.block_for(seq).min(self.blocks.len() - 1);
            self.blocks.get(at).map_or(last_block, |block| block.index)
        };
        tree.for_each(|literal, entry| {
            let info = entry.info;
            let (first, last) = (number(info.first.seq()), number(info.last.seq()));
            writer.subject(literal, info.total, first, last);
        });
        writer.block_count(self.blocks.len());
        for block in &self.blocks {
            let state = BlockState {
                index: block.index,
                bytes: block.bytes,
                first_seq: block.first_seq,
                first_ns: block.first_ns,
                last_seq: block.last_seq,
                last_ns: normal(block.last_ns),
                ttls: block.ttls,
                schedules: block.schedules,
                deleted: Default::default(),
            };
            writer.block(&state, &block.deleted);
        }
        let file = writer.finish(last_block, checksum, &self.hasher());
        let file = self
            .seal_index(&self.asset, file)
            .map_err(|error| io_error("encrypting the index", error))?;
        match meta::replace_file(&*self.disk, &self.msgs_dir.join(INDEX), &file, Sync::Now) {
            // It is only a help for the next start.
            Err(StoreError::NoSpace) => self.drop_index(),
            other => other,
        }
    }

    /// Removes an index that would say something wrong.
    pub(super) fn drop_index(&mut self) -> Result<(), StoreError> {
        match self.disk.unlink(&self.msgs_dir.join(INDEX)) {
            Ok(()) => {
                self.index_ends_in_zeros = false;
                self.dir_dirty = true;
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io_error("removing the index", error)),
        }
    }
}
