//! Appending, and taking single messages out.

use types::Discard;

use super::block::{Block, ToldBy};
use super::record::{self, Message};
use super::subjects::SubjectInfo;
use super::{Erasure, FileStore, IndexDue, Undo};
use crate::api::{Durability, Erase, NewMsg, OnRemoved, Removed, StoreError};
use crate::canary::{self, Canary};
use crate::ttl;

/// An emptied last block of at least this size makes room for a new one.
const EMPTY_TAIL: u64 = 64 << 10;

/// What remembers that a message is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// A tombstone in the last block.
    Tombstone,
    /// A tombstone, taken back with the message that the limit made room for.
    SubjectLimit,
    /// The limits themselves: they hold again at recovery, unless something else goes first.
    /// Taken back with the message that the limit made room for.
    Limits,
    /// Its age, likewise, but never taken back.
    Age,
}

impl FileStore {
    pub(super) fn append_msg(
        &mut self,
        msg: NewMsg<'_>,
        removed: OnRemoved<'_>,
    ) -> Result<u64, StoreError> {
        self.writable()?;
        let len = record::len_of(msg.subject.len(), msg.headers.len(), msg.payload.len());
        if len > record::MAX
            || msg.subject.len() > usize::from(u16::MAX)
            || self.last_seq >= record::MAX_SEQ - 1
        {
            return Err(StoreError::TooLarge);
        }
        if !record::has_right_border(msg.headers, msg.payload) {
            return Err(StoreError::BadHeaders);
        }
        if self.limits.discard == Discard::New {
            self.admit(&msg, len as u64)?;
        }
        self.reach_displaced(msg.subject, len as u64)?;
        let seq = self.last_seq + 1;
        let ts_ns = msg.ts.unix_ns();
        self.room_for(len as u64);
        let schedules = self.config.allow_msg_schedules && ttl::has_schedule(msg.headers);
        if let Some(tail) = self.blocks.back_mut() {
            tail.push_message(&Message {
                seq,
                ts_ns,
                subject: msg.subject,
                headers: msg.headers,
                payload: msg.payload,
            });
            tail.touch(self.tick);
            tail.ttls += u64::from(msg.ttl_seconds > 0);
            tail.schedules += u64::from(schedules);
        }
        let of_subject = self.subjects.append(msg.subject, seq);
        let was_empty = self.msgs == 0;
        self.skipped = false;
        self.msgs += 1;
        self.bytes += len as u64;
        self.last_seq = seq;
        self.last_ns = ts_ns;
        if was_empty {
            self.find_first();
        }
        if msg.ttl_seconds != 0 {
            self.lifetimes.add(seq, ts_ns, msg.ttl_seconds);
        }
        self.ageing.appended(seq, ts_ns, msg.ttl_seconds);
        if of_subject.total > self.limits.max_per_subject {
            self.replace_oldest(msg.subject, of_subject, removed)?;
        }
        self.enforce(removed)?;
        Ok(seq)
    }

    /// Brings what the limits take for a message into memory: if that cannot be read, the message
    /// is refused before anything changed.
    fn reach_displaced(&mut self, subject: &[u8], len: u64) -> Result<(), StoreError> {
        if self.limits.max_per_subject != u64::MAX
            && self.subjects.total(subject) >= self.limits.max_per_subject
            && let Some(seq) = self.first_of(subject)?
            && let Some(at) = self.locate(seq)
        {
            self.ensure_to_take(at, seq)?;
        }
        if self.limits.discard != Discard::Old {
            return Ok(());
        }
        let mut msgs = (self.msgs + 1).saturating_sub(self.limits.max_msgs);
        let mut bytes = (self.bytes + len).saturating_sub(self.limits.max_bytes);
        let mut at = 0;
        while (msgs > 0 || bytes > 0)
            && let Some((first, in_block)) =
                self.blocks.get(at).map(|block| (block.next_live(0), (block.msgs, block.bytes)))
        {
            if let Some(seq) = first {
                self.ensure_block(at, seq)?;
            }
            msgs = msgs.saturating_sub(in_block.0);
            bytes = bytes.saturating_sub(in_block.1);
            at += 1;
        }
        Ok(())
    }

    /// The next message gets `next`; those before it count as deleted.
    pub(super) fn skip_seqs(&mut self, next: u64) -> Result<(), StoreError> {
        self.writable()?;
        if next >= record::MAX_SEQ - 1 {
            return Err(StoreError::TooLarge);
        }
        if next > self.last_seq + 1 {
            self.last_seq = next - 1;
            self.skipped = true;
            if self.msgs == 0 {
                self.first_seq = next;
            }
        }
        Ok(())
    }

    fn admit(&mut self, msg: &NewMsg<'_>, len: u64) -> Result<(), StoreError> {
        let of_subject = match self.limits.max_per_subject {
            u64::MAX => 0,
            _ => self.subjects.total(msg.subject),
        };
        let replaces = of_subject >= self.limits.max_per_subject;
        let oldest = if replaces && self.bytes.saturating_add(len) > self.limits.max_bytes {
            match self.first_of(msg.subject)? {
                Some(seq) => self.read(seq)?.map_or(0, |oldest| {
                    let (subject, headers) = (oldest.subject.len(), oldest.headers.len());
                    record::len_of(subject, headers, oldest.payload.len()) as u64
                }),
                None => 0,
            }
        } else {
            0
        };
        let totals =
            crate::api::Totals { msgs: self.msgs, bytes: self.bytes, ..Default::default() };
        self.limits.admit(&totals, of_subject, len, msg.headers, || Ok(oldest))
    }

    /// Starts a new block if `len` more bytes are too many for the last one.
    fn room_for(&mut self, len: u64) {
        let full = self
            .blocks
            .back()
            .is_none_or(|tail| tail.raw_len > 0 && tail.raw_len + len > self.block_size);
        if full {
            self.roll();
        }
    }

    /// The number of the next block: one that no file has, and none that is about to go.
    pub(super) fn next_block(&self) -> u64 {
        let going = self.journal.dead.iter().chain(&self.waiting).map(|dead| dead.index);
        let used = self.blocks.back().map(|tail| tail.index).into_iter().chain(going).max();
        used.unwrap_or(0).max(self.indexed_up_to) + 1
    }

    /// Seals the last block and starts another.
    pub(super) fn roll(&mut self) {
        let index = self.next_block();
        let mut block = Block::new(&self.config.name, index, self.last_seq, self.last_ns);
        block.reuse(std::mem::take(&mut self.spare));
        if let Some(sealed) = self.blocks.back_mut() {
            sealed.close();
            sealed.compact_below = compact_below(sealed);
            sealed.touch(self.tick);
            if sealed.has_slack() {
                self.to_trim.push(sealed.index);
            }
            let packs = self.config.compression == types::Compression::S2 && !sealed.packed;
            if packs && sealed.raw_len > 0 {
                self.to_pack.push(sealed.index);
            }
        }
        self.blocks.push_back(block);
        self.rolled = true;
        self.index_due = self.index_due.max(IndexDue::IfCheap);
    }

    pub(super) fn tombstone(&mut self, seq: u64, ts_ns: i64) {
        self.room_for(record::EMPTY as u64);
        if canary::sings(Canary::ForgetTombstone) {
            return;
        }
        if let Some(tail) = self.blocks.back_mut() {
            tail.push_tombstone(seq, ts_ns);
        }
        self.journal.tombstones.push((seq, ts_ns));
    }

    /// Writes the tombstones of what messages since the last flush took the place of: behind all of
    /// those, so that no crash keeps the tombstone and loses the message.
    pub(super) fn trace_displaced(&mut self) {
        for (seq, ts_ns) in std::mem::take(&mut self.journal.displaced) {
            self.tombstone(seq, ts_ns);
        }
    }

    /// Makes sure that some record still speaks of the stream's last sequence.
    pub(super) fn keep_last_seq(&mut self) {
        if self.last_seq > 0 && !self.blocks.iter().rev().any(|block| block.high >= self.last_seq) {
            self.tombstone(self.last_seq, self.last_ns);
        }
    }

    /// Takes the message of `seq` out, which block `at` holds; false if it turned out unreadable.
    pub(super) fn take(
        &mut self,
        at: usize,
        seq: u64,
        trace: Trace,
        removed: OnRemoved<'_>,
    ) -> Result<bool, StoreError> {
        let mut at = at;
        if matches!(trace, Trace::Tombstone | Trace::SubjectLimit)
            && self.blocks.front().is_some_and(|front| front.unread)
        {
            // What limits removed before the index was written, by which this store was opened.
            self.load_sound(0)?;
            match self.locate(seq) {
                Some(now) => at = now,
                None => return Ok(false),
            }
        }
        if !self.ensure_to_take(at, seq)? {
            return Ok(false);
        }
        let is_tail = at + 1 == self.blocks.len();
        let Some(block) = self.blocks.get_mut(at) else { return Ok(false) };
        let Some(record) = block.cached(seq) else { return Ok(false) };
        let (len, ts_ns) = (record.len, record.ts_ns);
        self.subjects.remove(record.subject, seq);
        if !self.lifetimes.is_empty() {
            self.lifetimes.remove(seq, ts_ns, ttl::of_headers(record.headers));
        }
        removed(Removed { seq, subject: record.subject, bytes: len as u64 });
        block.forget(seq, len);
        block.told_by = block.told_by.max(match trace {
            Trace::Tombstone | Trace::SubjectLimit => ToldBy::Tombstones,
            Trace::Limits => ToldBy::Limits,
            Trace::Age => ToldBy::Nothing,
        });
        self.msgs -= 1;
        self.bytes -= len as u64;
        let index = block.index;
        if !is_tail && block.msgs > 0 && block.bytes < block.compact_below {
            block.compact_below = 0;
            self.queue_compaction(index);
        }
        match trace {
            Trace::Tombstone => {
                self.trace_limits();
                self.tombstone(seq, ts_ns);
            }
            Trace::SubjectLimit => {
                self.trace_limits();
                self.journal.by_limits.push(Undo { block: index, seq, len, ts_ns });
                self.journal.displaced.push((seq, ts_ns));
            }
            Trace::Limits => {
                self.journal.by_limits.push(Undo { block: index, seq, len, ts_ns });
                self.untrace(index, seq, ts_ns);
            }
            Trace::Age => self.untrace(index, seq, ts_ns),
        }
        self.after_removal(at, seq);
        Ok(true)
    }

    /// Remembers a removal that nothing on disk tells of.
    pub(super) fn untrace(&mut self, index: u64, seq: u64, ts_ns: i64) {
        let front = self.blocks.front().map_or(0, |block| block.index);
        if self.untraced.len() == self.untraced.capacity() {
            let dead = &self.journal.dead;
            self.untraced.retain(|&(index, ..)| {
                index >= front || dead.iter().any(|dead| dead.index == index)
            });
        }
        self.untraced.push((index, seq, ts_ns));
    }

    fn queue_compaction(&mut self, index: u64) {
        if !self.to_compact.contains(&index) {
            self.to_compact.push(index);
        }
    }

    fn after_removal(&mut self, at: usize, seq: u64) {
        if seq == self.first_seq {
            self.find_first();
            return;
        }
        let is_tail = at + 1 == self.blocks.len();
        let Some(block) = self.blocks.get(at).filter(|block| block.msgs == 0 && !is_tail) else {
            return;
        };
        if self.must_stay(block) {
            // Without its own records it is small, and no later block has to guard those.
            let index = block.index;
            self.queue_compaction(index);
        } else {
            self.bury(at);
        }
    }

    /// Whether a tombstone in an emptied block is not written yet, or all that keeps a message of an
    /// earlier block dead, or tells of what the index lists and could not under another name.
    fn must_stay(&self, block: &Block) -> bool {
        block.unread
            || block.has_unwritten_tombs()
            || self.vault.is_some() && self.informs_index(block)
            || block.tombs.iter_from(0).any(|seq| self.needs_tombstone(block.index, seq))
    }

    /// Whether a tombstone for `seq` in block `index` is still needed.
    pub(super) fn needs_tombstone(&self, index: u64, seq: u64) -> bool {
        self.blocks
            .get(self.blocks.partition_point(|block| block.last_seq < seq))
            .is_some_and(|target| target.index < index && target.may_hold_remains(seq))
    }

    /// Buries the emptied blocks whose tombstones are of no more use.
    pub(super) fn sweep(&mut self) {
        let mut at = 0;
        while at + 1 < self.blocks.len() {
            let spent =
                self.blocks.get(at).is_some_and(|block| block.msgs == 0 && !self.must_stay(block));
            if spent {
                self.bury(at);
            } else {
                at += 1;
            }
        }
    }

    /// Writes tombstones for what limits removed so far: once a message goes for another reason,
    /// the limits alone no longer tell at recovery that they had gone before.
    fn trace_limits(&mut self) {
        self.trace_limits_up_to(u64::MAX);
    }

    fn trace_limits_up_to(&mut self, last_seq: u64) {
        let front = self.blocks.front().map_or(0, |block| block.index);
        for (index, seq, ts_ns) in std::mem::take(&mut self.untraced) {
            if seq > last_seq {
                self.untraced.push((index, seq, ts_ns));
                continue;
            }
            // A block that is buried takes its records along, but only once its file is gone.
            if index < front && !self.journal.dead.iter().any(|dead| dead.index == index) {
                continue;
            }
            // In order of their sequences, as limits take them from the front.
            match self.journal.by_limits.binary_search_by_key(&seq, |undo| undo.seq) {
                Ok(_) => self.journal.displaced.push((seq, ts_ns)),
                Err(_) => {
                    if seq < self.synced_first {
                        self.journal.limit_traces.push((seq, ts_ns));
                    }
                    self.tombstone(seq, ts_ns);
                }
            }
        }
    }

    /// Writes tombstones for what limits removed, also before this store was opened.
    pub(super) fn trace_front(&mut self) -> Result<(), StoreError> {
        if self.blocks.front().is_some_and(|front| front.unread) {
            self.load_sound(0)?;
        }
        self.trace_limits();
        Ok(())
    }

    /// Before limits change: what went by them alone would come back at recovery if they were
    /// raised.
    pub(super) fn trace_before_change(&mut self) -> Result<(), StoreError> {
        self.trace_front()?;
        let had_appends = self.last_seq > self.journal.last_seq;
        let flushed = self.flush_all(Durability::Synced);
        self.refusal_owed = had_appends && matches!(flushed, Err(StoreError::NoSpace));
        flushed?;
        // An older one lists what they removed with whole blocks, for which nothing stands.
        self.write_index()
    }

    /// Finds the first message again after the old one went.
    pub(super) fn find_first(&mut self) {
        while self.blocks.len() > 1 && self.blocks.front().is_some_and(|block| block.msgs == 0) {
            self.bury(0);
        }
        match self.blocks.front() {
            Some(block) if block.msgs > 0 => {
                self.first_seq = block.first_seq;
                self.first_ns = block.first_ns;
            }
            _ => {
                self.first_seq = self.last_seq + 1;
                self.first_ns = 0;
                if self.blocks.back().is_some_and(|tail| tail.raw_len > EMPTY_TAIL) {
                    self.roll();
                    self.bury(0);
                }
            }
        }
    }

    /// Takes a block out; its file goes after the next flush.
    pub(super) fn bury(&mut self, at: usize) {
        if let Some(block) = self.blocks.remove(at) {
            if self.journal.erased.iter().any(|erased| erased.block == block.index) {
                self.shred.push(block.index);
            }
            if block.has_unwritten_tombs() {
                // Written elsewhere: their messages' files may outlast this flush.
                let again = self.journal.tombstones.iter();
                let again = again.filter(|(seq, _)| block.tombs.contains(*seq));
                self.journal.displaced.extend(again.copied());
            }
            let was_written = block.last_seq <= self.journal.last_seq || !block.is_dirty();
            self.journal.dead.push(block);
            if !was_written {
                // Nothing on disk will tell what went for its messages.
                self.trace_limits_up_to(self.journal.last_seq);
            }
            self.keep_last_seq();
        }
    }

    /// Applies the stream's limits with discard old.
    pub(super) fn enforce(&mut self, removed: OnRemoved<'_>) -> Result<(), StoreError> {
        if self.limits.discard != Discard::Old {
            return Ok(());
        }
        // With a limit per subject as well, that one would take some of them at recovery, and then
        // there is room for the others.
        let trace = match self.limits.max_per_subject {
            u64::MAX => Trace::Limits,
            _ => Trace::SubjectLimit,
        };
        let one_more = u64::from(canary::sings(Canary::LimitOffByOne));
        while self.msgs > 0
            && (self.msgs > self.limits.max_msgs.saturating_add(one_more)
                || self.bytes > self.limits.max_bytes)
        {
            let before = self.first_seq;
            let Some(at) = self.locate(before) else { break };
            // A message that cannot be read is counted out as lost.
            if !self.take(at, before, trace, removed)? && self.first_seq == before {
                break;
            }
        }
        Ok(())
    }

    /// Applies the per-subject limit after an append; in the usual case one message is too many,
    /// and it is known which.
    fn replace_oldest(
        &mut self,
        subject: &[u8],
        info: SubjectInfo,
        removed: OnRemoved<'_>,
    ) -> Result<(), StoreError> {
        if info.first.is_exact()
            && info.total == self.limits.max_per_subject + 1
            && let Some(at) = self.locate(info.first.seq())
            && self.take(at, info.first.seq(), Trace::SubjectLimit, removed)?
        {
            return Ok(());
        }
        self.enforce_subject(subject, removed)
    }

    pub(super) fn enforce_subject(
        &mut self,
        subject: &[u8],
        removed: OnRemoved<'_>,
    ) -> Result<(), StoreError> {
        while self.subjects.total(subject) > self.limits.max_per_subject {
            let Some(seq) = self.first_of(subject)? else { break };
            let Some(at) = self.locate(seq) else { break };
            if !self.take(at, seq, Trace::SubjectLimit, removed)? {
                break;
            }
        }
        Ok(())
    }

    /// Applies all limits to what is held.
    pub(super) fn enforce_all(&mut self, removed: OnRemoved<'_>) -> Result<(), StoreError> {
        if self.limits.max_per_subject != u64::MAX {
            let mut over = Vec::new();
            self.subjects.tree().for_each(|literal, entry| {
                if self.subjects.info(entry).total > self.limits.max_per_subject {
                    over.push(literal.to_vec());
                }
            });
            for literal in over {
                self.enforce_subject(&literal, removed)?;
            }
        }
        self.enforce(removed)
    }

    pub(super) fn remove_one(
        &mut self,
        seq: u64,
        erase: Erase,
        removed: OnRemoved<'_>,
    ) -> Result<bool, StoreError> {
        self.writable()?;
        let Some(at) = self.locate(seq) else { return Ok(false) };
        // Other bytes under the same key stream would give away what was there.
        if erase == Erase::Overwrite && self.vault.is_none() {
            // Taken from the slot before it is forgotten; written by the next flush, after the
            // tombstone, so that no crash leaves a bad record without its reason.
            if !self.ensure_block(at, seq)? {
                return Ok(false);
            }
            let Some(block) = self.blocks.get(at) else { return Ok(false) };
            let (index, mut over) = (block.index, block.erasure(seq));
            if !self.take(at, seq, Trace::Tombstone, removed)? {
                return Ok(false);
            }
            match self.blocks.iter_mut().find(|block| block.index == index) {
                Some(block) => {
                    if let Some((offset, bytes)) = &over {
                        block.overwrite(*offset, bytes);
                    }
                }
                // A block that is emptied by this goes with its file.
                None => {
                    self.shred.push(index);
                    over = None;
                }
            }
            self.journal.erased.push(Erasure { block: index, seq, over });
            return Ok(true);
        }
        self.take(at, seq, Trace::Tombstone, removed)
    }
}

/// Below how many live bytes a sealed block is worth compacting.
pub(super) fn compact_below(block: &Block) -> u64 {
    block.raw_len / 2
}
