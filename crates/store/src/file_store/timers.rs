//! Expiry by age and by lifetime, and `thw.db` (`server/thw` `HashWheel.Encode`).

use super::FileStore;
use super::append::Trace;
use super::meta::{self, Sync};
use super::varint::{push_i, push_u};
use crate::api::{OnRemoved, StoreError};

pub(super) const TIMERS: &str = "thw.db";
const VERSION: u8 = 1;

/// Which message is the next to go by age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ageing {
    /// Not looked for: at the earliest the first.
    #[default]
    Unknown,
    /// This one, stored at this time.
    At(u64, i64),
    /// None: all that are held never expire.
    Nothing,
}

impl Ageing {
    pub(super) fn appended(&mut self, seq: u64, ts_ns: i64, ttl_seconds: i64) {
        if *self == Ageing::Nothing && ttl_seconds >= 0 {
            *self = Ageing::At(seq, ts_ns);
        }
    }
}

impl FileStore {
    pub(super) fn expire_due(
        &mut self,
        now_ns: i64,
        removed: OnRemoved<'_>,
    ) -> Result<(), StoreError> {
        self.writable()?;
        while let Some(seq) = self.lifetimes.first_due(now_ns) {
            if let Some(at) = self.locate(seq) {
                // What cannot be read now is due again.
                self.take(at, seq, Trace::Tombstone, removed)?;
            }
            if self.lifetimes.first_due(now_ns) == Some(seq) {
                self.lifetimes.pop_due(now_ns);
            }
        }
        while let Some((at, seq)) = self.next_aged(now_ns)? {
            // Behind one that never expires, or where a delete marker tells of it, it must not
            // come back at recovery and go a second time.
            let told = self.config.subject_delete_marker_ttl_ns > 0 || seq != self.first_seq;
            let trace = if told { Trace::Tombstone } else { Trace::Age };
            self.take(at, seq, trace, removed)?;
        }
        Ok(())
    }

    /// The oldest message that max_age says is due, if any, with its block's place.
    fn next_aged(&mut self, now_ns: i64) -> Result<Option<(usize, u64)>, StoreError> {
        if self.limits.max_age_ns == 0 {
            return Ok(None);
        }
        let cutoff = now_ns.saturating_sub(self.limits.max_age_ns);
        let mut from = match self.ageing {
            Ageing::At(seq, _) => seq,
            _ => self.first_seq,
        };
        loop {
            let Some((at, seq)) = self.next_live(from) else {
                self.ageing = Ageing::Nothing;
                return Ok(None);
            };
            from = seq + 1;
            if self.lifetimes.never_expires(seq) {
                continue;
            }
            let known = match self.blocks.get(at) {
                Some(block) if block.first_seq == seq => Some(block.first_ns),
                _ => None,
            };
            let ts_ns = match known {
                Some(ts_ns) => ts_ns,
                None => match self.read(seq)? {
                    Some(msg) => msg.ts.unix_ns(),
                    None => continue,
                },
            };
            self.ageing = Ageing::At(seq, ts_ns);
            return Ok((ts_ns <= cutoff).then_some((at, seq)));
        }
    }

    /// The next message that is due by its lifetime or its age.
    pub(super) fn find_due(&mut self, now_ns: i64) -> Result<Option<u64>, StoreError> {
        self.writable()?;
        while let Some(seq) = self.lifetimes.first_due(now_ns) {
            if self.locate(seq).is_some() {
                return Ok(Some(seq));
            }
            self.lifetimes.pop_due(now_ns);
        }
        Ok(self.next_aged(now_ns)?.map(|(_, seq)| seq))
    }

    pub(super) fn next_expiry_ns(&self) -> Option<i64> {
        let by_age = match self.ageing {
            _ if self.limits.max_age_ns == 0 || self.msgs == 0 => None,
            Ageing::Unknown => Some(self.first_ns),
            Ageing::At(_, ts_ns) => Some(ts_ns),
            Ageing::Nothing => None,
        };
        let by_age = by_age.map(|ts_ns| ts_ns.saturating_add(self.limits.max_age_ns));
        by_age.into_iter().chain(self.lifetimes.next_due_ns()).min()
    }

    /// Writes the lifetimes for the reference to find; we rebuild them from the messages.
    pub(super) fn write_timers(&self) -> Result<(), StoreError> {
        let entries = self.lifetimes.entries();
        let mut out = vec![VERSION];
        out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.last_seq + 1).to_le_bytes());
        for (due_ns, seq) in entries {
            push_i(&mut out, due_ns);
            push_u(&mut out, seq);
        }
        meta::replace_file(&*self.disk, &self.msgs_dir.join(TIMERS), &out, Sync::Now)
    }
}
