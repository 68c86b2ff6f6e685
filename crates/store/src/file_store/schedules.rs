//! Message schedules on disk: `sched.db`, and finding the messages that are schedules
//! (`server/scheduler.go` `MsgScheduling.encode`, `decode`). The file is never encrypted.

use super::FileStore;
use super::files::read_if_there;
use super::meta::{self, Sync};
use super::varint::{Reader, push_i, push_u};
use crate::api::{SavedSchedule, SavedSchedules, StoreError, StoreEvent};
use crate::ttl;

pub(super) const SCHEDULES: &str = "sched.db";
const VERSION: u8 = 1;

/// The content of a `sched.db`.
pub(super) fn encode(next_seq: u64, schedules: &[SavedSchedule]) -> Vec<u8> {
    let fits = |schedule: &&SavedSchedule| u16::try_from(schedule.subject.len()).is_ok();
    let count = schedules.iter().filter(fits).count();
    let mut out = vec![VERSION];
    out.extend_from_slice(&(count as u64).to_le_bytes());
    out.extend_from_slice(&next_seq.to_le_bytes());
    for schedule in schedules.iter().filter(fits) {
        out.extend_from_slice(&(schedule.subject.len() as u16).to_le_bytes());
        out.extend_from_slice(&schedule.subject);
        push_i(&mut out, schedule.due_ns);
        push_u(&mut out, schedule.seq);
    }
    out
}

/// Reads a `sched.db`; `None` if it is cut off, something else, or speaks of messages that came
/// later than it.
pub(super) fn decode(file: &[u8]) -> Option<SavedSchedules> {
    let mut read = Reader::new(file);
    if read.bytes(1)? != [VERSION] {
        return None;
    }
    let count = u64::from_le_bytes(*read.bytes(8)?.first_chunk()?);
    let next_seq = u64::from_le_bytes(*read.bytes(8)?.first_chunk()?);
    let mut schedules = Vec::new();
    for _ in 0..count {
        let len = u16::from_le_bytes(*read.bytes(2)?.first_chunk()?);
        let subject = read.bytes(usize::from(len))?.to_vec();
        let (due_ns, seq) = (read.i()?, read.u()?);
        if seq >= next_seq {
            return None;
        }
        schedules.push(SavedSchedule { subject, seq, due_ns });
    }
    read.rest().is_empty().then_some(SavedSchedules { next_seq, schedules })
}

impl FileStore {
    /// The next message with a schedule; blocks without any are not read.
    pub(super) fn find_scheduled(&mut self, from: u64) -> Result<Option<u64>, StoreError> {
        let mut from = from;
        while let Some((at, seq)) = self.next_live(from) {
            let block = self.blocks.get(at).filter(|block| block.schedules == 0);
            if let Some(block) = block {
                from = block.last_seq.max(seq) + 1;
                continue;
            }
            if self.read(seq)?.is_some_and(|msg| ttl::has_schedule(msg.headers)) {
                return Ok(Some(seq));
            }
            from = seq + 1;
        }
        Ok(None)
    }

    pub(super) fn read_schedules(&mut self) -> SavedSchedules {
        let path = self.msgs_dir.join(SCHEDULES);
        let why = match read_if_there(&*self.disk, &path) {
            Ok(Some(file)) => match decode(&file) {
                Some(saved) => return saved,
                None => "it is damaged".to_owned(),
            },
            Ok(None) => return SavedSchedules::default(),
            Err(error) => error.to_string(),
        };
        let text = format!("{SCHEDULES} is of no use, the schedules are read anew: {why}");
        self.events.push(StoreEvent::Repaired(text));
        SavedSchedules::default()
    }

    pub(super) fn write_schedules(
        &mut self,
        schedules: &[SavedSchedule],
    ) -> Result<(), StoreError> {
        if !self.config.allow_msg_schedules {
            return Ok(());
        }
        let path = self.msgs_dir.join(SCHEDULES);
        let file = encode(self.last_seq + 1, schedules);
        meta::replace_file(&*self.disk, &path, &file, Sync::Now)
    }
}
