//! The sequences of subjects, where a limit takes the oldest of one, and then the next oldest.
//!
//! Subjects remember what comes. Of a block that an opening did not read they know only where they
//! begin and end: it is read when the next oldest of one may be in it, and all know then what it
//! holds. So each block is read once for that, and none before it is needed.

use super::FileStore;
use crate::api::StoreError;

impl FileStore {
    /// Whether the subjects are to remember sequences.
    pub(super) fn tracks_subjects(&self) -> bool {
        self.limits.max_per_subject != u64::MAX && self.limits.max_per_subject > 1
    }

    /// The first message of a subject that remembers sequences, from `low` to `high`.
    pub(super) fn first_tracked(
        &mut self,
        subject: &[u8],
        low: u64,
        high: u64,
    ) -> Result<Option<u64>, StoreError> {
        loop {
            let is_there = |seq: &u64| self.locate(*seq).is_some();
            let known = self.subjects.known_from(subject, low).find(is_there);
            let end = known.unwrap_or(high + 1);
            let start = self.block_for(low);
            let mut blocks =
                self.blocks.iter().skip(start).take_while(|block| block.first_seq < end);
            match blocks.position(|block| !block.tracked) {
                Some(distance) => self.track_block(start + distance)?,
                None => return Ok(known),
            }
        }
    }

    /// Makes the subjects know what a block holds; where it turns out damaged, only it is read.
    fn track_block(&mut self, at: usize) -> Result<(), StoreError> {
        let first = self.blocks.get(at).and_then(|block| block.next_live(0));
        if let Some(first) = first
            && !self.ensure_block(at, first)?
        {
            return Ok(());
        }
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        block.tracked = true;
        let mut next = first;
        while let Some(seq) = next {
            if let Some(record) = block.cached(seq) {
                self.subjects.learn(record.subject, seq);
            }
            next = block.next_live(seq + 1);
        }
        Ok(())
    }
}
