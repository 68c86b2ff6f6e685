//! Damage to a small store: every bit flipped, every length cut, every sector zeroed, every file
//! missing, empty or doubled, one at a time.
//!
//! Judged: nothing is served that was not stored; no more than the damaged record is lost, and
//! that is reported; deleted messages stay deleted and no sequence is given out twice, as long as
//! anything is left that tells; nothing panics.

use std::collections::BTreeSet;
use std::path::Path;

use env::{Crash, Disk};
use store::{Durability, Filter, NewMsg, Opening, StreamStore};

use crate::dice::Dice;
use crate::verdict::{Verdict, ensure};
use crate::victim::{Subject, Victim};
use crate::world::{World, at};

const SECTOR: usize = 512;

/// One piece of damage to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// This bit is flipped.
    Flip(usize, u8),
    /// Only so many bytes are left.
    Cut(usize),
    /// The sector that starts here is zeros.
    Zero(usize),
    /// It is gone.
    Missing,
    /// It has no content.
    Empty,
    /// Its content follows once more.
    Doubled,
}

impl Victim {
    /// All the damage that there is, by file.
    #[must_use]
    pub fn all_damage(&self) -> Vec<(usize, Damage)> {
        let mut all = Vec::new();
        for (file, (_, bytes)) in self.files.iter().enumerate() {
            let mut add = |damage| all.push((file, damage));
            for byte in 0..bytes.len() {
                (0..8).for_each(|bit| add(Damage::Flip(byte, bit)));
                add(Damage::Cut(byte));
            }
            (0..bytes.len()).step_by(SECTOR).for_each(|sector| add(Damage::Zero(sector)));
            [Damage::Missing, Damage::Empty, Damage::Doubled].into_iter().for_each(add);
        }
        all
    }

    fn name(&self, file: usize) -> &Path {
        self.files.get(file).map_or(Path::new(""), |(path, _)| path)
    }

    /// Whether this is one record at most.
    fn hits_one_record(damage: Damage) -> bool {
        matches!(damage, Damage::Flip(..))
    }

    /// Does the damage to a copy and judges what comes of it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn damage(&self, file: usize, damage: Damage) -> Verdict {
        self.try_damage(file, damage).map_err(|wrong| {
            format!("{:?}, {damage:?} of {}: {wrong}", self.subject, self.name(file).display())
        })
    }

    fn try_damage(&self, file: usize, damage: Damage) -> Verdict {
        let Some((path, bytes)) = self.files.get(file) else { return Ok(()) };
        let world = self.world.fork();
        let mut bytes = bytes.clone();
        match damage {
            Damage::Flip(byte, bit) => {
                if let Some(byte) = bytes.get_mut(byte) {
                    *byte ^= 1 << bit;
                }
            }
            Damage::Cut(len) => bytes.truncate(len),
            Damage::Zero(from) => {
                let end = (from + SECTOR).min(bytes.len());
                bytes.get_mut(from..end).unwrap_or_default().fill(0);
            }
            Damage::Missing | Damage::Empty => bytes.clear(),
            Damage::Doubled => bytes.extend_from_within(..),
        }
        if damage == Damage::Missing {
            let dir = path.parent().unwrap_or(path);
            let gone = world.disk.unlink(path).and_then(|()| world.disk.sync_dir(dir));
            gone.map_err(|error| error.to_string())?;
        } else {
            world.disk.plant(path, bytes);
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let in_blocks = name.ends_with(".blk");
        let mut opened = store::open_account(&world.dyn_disk(), &world.account, world.options)
            .map_err(|error| error.to_string())?;
        ensure!(opened.len() == 1, "{} streams", opened.len());
        let mut store = match opened.pop().map(|stream| stream.opening) {
            Some(Opening::Ready { config, store, .. }) => {
                ensure!(*config == self.config, "another configuration is served: {config:?}");
                store
            }
            Some(Opening::Offline { reason, .. }) => return Err(format!("offline: {reason}")),
            None => return Err("no stream".to_owned()),
        };
        // Of a compressed block all that follows the damage may be out of reach.
        let one_record = Self::hits_one_record(damage) && self.subject != Subject::Compressed;
        self.judge(&mut *store, in_blocks, one_record)?;
        self.judge_consumer(&mut *store)?;
        self.judge_going_on(&world, store)
    }

    fn judge(&self, store: &mut dyn StreamStore, in_blocks: bool, one_record: bool) -> Verdict {
        let mut seen = BTreeSet::new();
        let mut back = 0_u64;
        for seq in 1..=self.model.last_seq + 2 {
            let got = store.get(seq).map_err(|error| format!("get {seq}: {error}"))?;
            let Some(got) = got else { continue };
            match self.model.msgs.get(&seq) {
                Some(want) => ensure!(want.is(&got), "{seq} is changed: {got:?}"),
                None => {
                    // Where its tombstone is what was damaged, nothing tells any more.
                    ensure!(seq <= self.model.last_seq, "{seq} was never there");
                    back += 1;
                }
            }
            seen.insert(seq);
        }
        let lost = store.lost();
        let reported: BTreeSet<u64> =
            lost.iter().flat_map(|lost| lost.msgs.iter().copied()).collect();
        let missing: Vec<u64> =
            self.model.msgs.keys().copied().filter(|seq| !seen.contains(seq)).collect();
        ensure!(missing.is_empty() || in_blocks, "{missing:?} are lost to it");
        ensure!(missing.len() <= 1 || !one_record, "{missing:?} are lost to one bit");
        ensure!(
            back == 0 || in_blocks && lost.is_some() || back <= 1 && in_blocks,
            "{back} deleted messages are back"
        );
        ensure!(back <= 1 || !one_record, "{back} deleted messages are back");
        // What a kill left behind the last index only its block tells of: its end may be a crash's
        // doing as well.
        let untold = self.subject == Subject::Killed && in_blocks && !one_record;
        for seq in &missing {
            let at_end = untold && self.model.msgs.range(seq + 1..).all(|(s, _)| !seen.contains(s));
            ensure!(reported.contains(seq) || at_end, "{seq} is lost, and not reported: {lost:?}");
        }
        for seq in &reported {
            ensure!(!seen.contains(seq), "{seq} is reported lost, but there");
        }
        let last_seq = store.totals().last_seq;
        ensure!(
            last_seq == self.model.last_seq || untold && last_seq < self.model.last_seq,
            "last_seq is {last_seq}, not {}",
            self.model.last_seq
        );
        Ok(())
    }

    fn judge_consumer(&self, store: &mut dyn StreamStore) -> Verdict {
        let found = store.take_recovered_consumers();
        let (meta, state) = &self.consumer;
        match found.as_slice() {
            [found] => {
                ensure!(found.meta == *meta, "another consumer: {:?}", found.meta);
                let same = found.state.as_ref() == Some(state);
                ensure!(same, "another progress: {:?}", found.state);
                Ok(())
            }
            other => Err(format!("{} consumers", other.len())),
        }
    }

    /// What is repaired stays so, new messages get new sequences, and all that is served stays.
    fn judge_going_on(&self, world: &World, mut store: Box<dyn StreamStore>) -> Verdict {
        let say = |error: store::StoreError| error.to_string();
        store.flush(Durability::Synced).map_err(say)?;
        let new = NewMsg {
            subject: b"after",
            headers: b"",
            payload: b"the damage",
            ts: at(99),
            ttl_seconds: 0,
        };
        let before = store.totals().last_seq;
        let seq = store.append(new, &mut |_| {}).map_err(say)?;
        ensure!(seq == before + 1, "{seq} after {before}");
        store.flush(Durability::Synced).map_err(say)?;
        let held = all(&mut *store)?;
        let lost = store.lost().map(|lost| lost.msgs).unwrap_or_default();
        drop(store);
        world.disk.crash(Crash::DropUnsynced);
        let opened = world.open()?.ok_or("the stream is gone")?;
        let mut store = opened.store;
        let again = all(&mut *store)?;
        ensure!(again == held, "held {held:?} before, {again:?} after");
        let lost_again = store.lost().map(|lost| lost.msgs).unwrap_or_default();
        ensure!(lost_again == lost, "lost {lost:?} before, {lost_again:?} after");
        Ok(())
    }

    /// Some of all damage, as a seed says.
    #[must_use]
    pub fn sample(&self, seed: u64, count: usize) -> Vec<(usize, Damage)> {
        let mut dice = Dice::new(seed);
        let mut all = self.all_damage();
        let mut some = Vec::new();
        while some.len() < count && !all.is_empty() {
            some.push(all.swap_remove(dice.below(all.len() as u64) as usize));
        }
        some
    }
}

fn all(store: &mut dyn StreamStore) -> Verdict<Vec<u64>> {
    let mut seqs = Vec::new();
    let mut from = 0;
    while let Some(got) =
        store.next_match(&Filter::all(), from).map_err(|error| error.to_string())?
    {
        seqs.push(got.seq);
        from = got.seq + 1;
    }
    Ok(seqs)
}
