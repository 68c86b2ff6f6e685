//! Looking at streams on disk without changing a byte: what is sound, what is not.
//!
//! Nothing is opened for writing, so a running server's directory can be looked at too. What such
//! a server changes meanwhile is looked at a second time before it is called damage.

mod blocks;
mod consumers;
pub(super) mod metas;
mod place;
mod report;

#[cfg(test)]
pub(super) mod tests;

use std::io;
use std::path::{Path, PathBuf};

use env::{Disk, EntryKind};
use types::LostStreamData;

use super::files::read_if_there;
use super::meta;
use super::schedules::{self, SCHEDULES};
use super::{MSGS, OBS, purge, repair};
use metas::Stored;

pub use place::{StreamPlace, find_streams};
pub use report::{
    BlockForm, BlockReport, ConsumerReport, Finding, IndexState, Severity, StreamReport,
};

/// Looks at a stream's files. `advanced` is told of the bytes of each block that was read.
///
/// # Errors
/// What the disk refuses. What is damaged is no error: it is in the report.
pub fn inspect_stream(
    disk: &dyn Disk,
    place: &StreamPlace,
    advanced: &mut dyn FnMut(u64),
) -> io::Result<StreamReport> {
    let first = inspect_once(disk, place, advanced);
    match &first {
        Ok(report) if report.is_sound() => first,
        // A server that runs may have moved things under our hands.
        _ => inspect_once(disk, place, &mut |_| {}),
    }
}

/// Bytes in the blocks of a stream: what there is to read.
///
/// # Errors
/// What the disk refuses.
pub fn block_bytes(disk: &dyn Disk, place: &StreamPlace) -> io::Result<u64> {
    let msgs = place.dir().join(MSGS);
    let mut bytes = 0;
    for number in block_numbers(disk, &msgs)? {
        bytes += disk.info(&super::block::file_path(&msgs, number))?.map_or(0, |info| info.len);
    }
    Ok(bytes)
}

/// An inspection under way.
struct Inspection<'d> {
    disk: &'d dyn Disk,
    dir: PathBuf,
    report: StreamReport,
}

impl Inspection<'_> {
    fn tell(&mut self, severity: Severity, part: impl Into<String>, text: impl Into<String>) {
        let (part, text) = (part.into(), text.into());
        self.report.findings.push(Finding { severity, part, text });
    }

    fn damage(&mut self, part: impl Into<String>, text: impl Into<String>) {
        self.tell(Severity::Damage, part, text);
    }

    fn note(&mut self, part: impl Into<String>, text: impl Into<String>) {
        self.tell(Severity::Note, part, text);
    }

    /// A file's content; `None` if it is not there.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        read_if_there(self.disk, path)
    }

    fn look_at_meta(&mut self) -> io::Result<()> {
        let name = self.report.name.clone();
        match metas::stream(self.disk, &self.dir, &name)? {
            Stored::Sound(created, config) => {
                (self.report.created, self.report.config) = (Some(created), Some(config));
            }
            Stored::CutShort(created, config) => {
                (self.report.created, self.report.config) = (Some(created), Some(config));
                self.note(meta::SUM, "a change of the configuration was cut short");
            }
            Stored::BadSum(created, config) => {
                (self.report.created, self.report.config) = (Some(created), Some(config));
                let text = format!("{} does not match the checksum in {}", meta::META, meta::SUM);
                self.damage(meta::META, text);
            }
            Stored::Encrypted => self.report.encrypted = true,
            Stored::Unreadable(reason) => self.damage(meta::META, reason),
        }
        let lost = self.read(&self.dir.join(repair::LOST))?.unwrap_or_default();
        self.report.lost = serde_json::from_slice::<LostStreamData>(&lost).ok();
        for half in [purge::NEW_MSGS, purge::OLD_MSGS] {
            if self.disk.info(&self.dir.join(half))?.is_some() {
                self.note(half, "a purge was cut short; the next start finishes or drops it");
            }
        }
        Ok(())
    }
}

/// Whether there is a file of schedules that no start can use.
pub(super) fn has_bad_schedules(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    let path = dir.join(MSGS).join(SCHEDULES);
    if disk.info(&path)?.is_none() {
        return Ok(false);
    }
    Ok(schedules::decode(&disk.read(&path)?).is_none())
}

fn inspect_once(
    disk: &dyn Disk,
    place: &StreamPlace,
    advanced: &mut dyn FnMut(u64),
) -> io::Result<StreamReport> {
    let report = StreamReport {
        name: place.name.clone(),
        created: None,
        config: None,
        encrypted: false,
        blocks: Vec::new(),
        index: IndexState::Absent,
        consumers: Vec::new(),
        msgs: 0,
        bytes: 0,
        first_seq: 1,
        last_seq: 0,
        subjects: 0,
        schedules: None,
        lost: None,
        findings: Vec::new(),
    };
    let mut inspection = Inspection { disk, dir: place.dir(), report };
    inspection.look_at_meta()?;
    inspection.look_at_blocks(advanced)?;
    inspection.look_at_schedules()?;
    inspection.look_at_consumers()?;
    Ok(inspection.report)
}

/// The numbers of the blocks in `msgs`, ascending; none where it is missing.
fn block_numbers(disk: &dyn Disk, msgs: &Path) -> io::Result<Vec<u64>> {
    numbers_of(disk, msgs, ".blk")
}

/// The numbers of the block files whose names end so, ascending.
fn numbers_of(disk: &dyn Disk, msgs: &Path, suffix: &str) -> io::Result<Vec<u64>> {
    if disk.info(msgs)?.is_none() {
        return Ok(Vec::new());
    }
    let mut numbers = Vec::new();
    for entry in disk.list(msgs)?.iter().filter(|entry| entry.kind == EntryKind::File) {
        let number = entry.name.to_str().and_then(|name| name.strip_suffix(suffix));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()).map(u64::from));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A list of sequences as people read it: `3, 5-9`.
fn ranges(seqs: &[u64]) -> String {
    const MOST: usize = 12;
    let mut text = String::new();
    let mut groups = seqs.chunk_by(|a, b| a + 1 == *b);
    for group in groups.by_ref().take(MOST) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        match group {
            [one] => text.push_str(&one.to_string()),
            [first, .., last] => text.push_str(&format!("{first}-{last}")),
            [] => {}
        }
    }
    if groups.next().is_some() {
        text.push_str(", ...");
    }
    text
}

impl Inspection<'_> {
    fn look_at_schedules(&mut self) -> io::Result<()> {
        let Some(file) = self.read(&self.dir.join(MSGS).join(SCHEDULES))? else { return Ok(()) };
        match schedules::decode(&file) {
            Some(saved) => self.report.schedules = Some(saved.schedules.len() as u64),
            None => {
                let part = format!("{MSGS}/{SCHEDULES}");
                self.damage(part, "it is not what was written; a start reads the messages instead");
            }
        }
        Ok(())
    }

    fn obs(&self) -> PathBuf {
        self.dir.join(OBS)
    }
}
