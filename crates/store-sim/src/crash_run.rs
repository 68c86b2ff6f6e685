//! A crash at every single call that changes the disk, and each of them failing once: what is
//! there afterwards is judged, the stream goes on from it, and crashes again.

use std::collections::HashMap;
use std::io::ErrorKind;

use env::{Crash, DiskOp, Incident};

use crate::dice::Dice;
use crate::judged::Judged;
use crate::keys::Keys;
use crate::session::{Ashes, Session, Step};
use crate::verdict::{Verdict, ensure};
use crate::world::World;

/// Calls of one session before its clean stop.
const STEPS: u64 = 60;
/// Calls after a crash, before the next one.
const STEPS_AFTER: u64 = 16;

/// How a single call fails.
const FAILURES: [Incident; 5] = [
    Incident::Error(ErrorKind::Other),
    Incident::Error(ErrorKind::StorageFull),
    Incident::Error(ErrorKind::Interrupted),
    Incident::Half(ErrorKind::StorageFull),
    Incident::Half(ErrorKind::Other),
];

/// What was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stores opened after a crash.
    pub crashes: u64,
    /// Calls that failed.
    pub failures: u64,
}

impl Tally {
    /// Counts another run's in.
    pub fn add(&mut self, other: Tally) {
        self.crashes += other.crashes;
        self.failures += other.failures;
    }
}

fn world(seed: u64) -> World {
    World::new(200 + 300 * (seed % 5)).with_keys(Keys::of(seed))
}

/// A session until it is over, or down.
fn go_on(session: &mut Session, steps: u64) -> Verdict<Step> {
    for _ in 0..steps {
        let step = session.step().map_err(|wrong| format!("{}: {wrong}", session.last))?;
        if step == Step::Down || session.world.disk.is_dead() {
            return Ok(Step::Down);
        }
    }
    Ok(Step::Done)
}

/// The whole session of a seed; what is left of it, and whether it was made at all.
fn live(seed: u64, world: World, inject: impl FnOnce(&World)) -> Verdict<Ashes> {
    inject(&world);
    let (mut session, made) = Session::create(seed, world);
    if made && go_on(&mut session, STEPS)? != Step::Down {
        session.stop().map_err(|wrong| format!("{}: {wrong}", session.last))?;
    }
    Ok(session.abandon(made))
}

/// Changes of the disk in the whole session of a seed, and reads.
///
/// # Errors
/// If it goes wrong without a crash.
pub fn calls(seed: u64) -> Verdict<(u64, u64)> {
    let ashes = live(seed, world(seed), |_| {})?;
    let disk = &ashes.world().disk;
    Ok((disk.changes(), disk.reads()))
}

/// How a power cut can end, for a change of this number.
fn endings(seed: u64, change: u64, torn: u64) -> Vec<Crash> {
    let mut dice = Dice::new(seed ^ change.rotate_left(32));
    let mut endings = vec![Crash::DropUnsynced, Crash::KeepAll];
    endings.extend((0..torn).map(|_| Crash::Torn(dice.roll())));
    endings
}

/// The session of a seed.
#[derive(Debug)]
pub struct CrashRun {
    seed: u64,
    judged: Judged,
    /// Changes that fail with these as a whole or not at all, and how often the stream was opened
    /// after that.
    whole: HashMap<(u64, ErrorKind), u64>,
}

impl CrashRun {
    /// Nothing of it is judged yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        CrashRun { seed, judged: Judged::default(), whole: HashMap::new() }
    }

    /// Cuts the power at one change, judges every ending, and goes on from each: with a cut while
    /// it is opened, with a second cut later, and at last with a clean stop.
    ///
    /// # Errors
    /// What is wrong, and what led to it.
    pub fn crash_at(&mut self, change: u64, torn: u64) -> Verdict<Tally> {
        let seed = self.seed;
        let ashes = live(seed, world(seed), |world| {
            world.disk.inject_at(change, Incident::PowerCut);
        })
        .map_err(|wrong| format!("before the cut: {wrong}"))?;
        let mut tally = Tally::default();
        for crash in endings(seed, change, torn) {
            let mut fork = ashes.fork();
            fork.crash(crash);
            let seed = seed ^ change << 20;
            tally.crashes += self
                .judged
                .once(fork, Some(seed), |judged, ashes| rise_again(judged, ashes, seed))
                .map_err(|wrong| format!("{}; cut, {crash:?}: {wrong}", ashes.last()))?;
        }
        Ok(tally)
    }

    /// Makes one change, or one read, fail; the stream goes on as it can, and is opened again at
    /// the end.
    ///
    /// # Errors
    /// What is wrong, and what led to it.
    pub fn fail_at(&mut self, call: u64, how: usize) -> Verdict<Tally> {
        let (seed, dice) = (self.seed, self.seed ^ 7 << 56);
        let incident = FAILURES.get(how);
        if let Some(Incident::Half(kind)) = incident
            && let Some(&opened) = self.whole.get(&(call, *kind))
        {
            return Ok(Tally { crashes: opened, failures: 1 });
        }
        let mut what = String::new();
        let ashes = live(seed, world(seed), |world| match incident {
            Some(incident) => {
                what = format!("{incident:?} at change {call}");
                world.disk.inject_at(call, *incident);
            }
            None => {
                what = format!("read {call} fails");
                world.disk.fail_read_at(call, ErrorKind::Other);
            }
        })
        .map_err(|wrong| format!("{what}: {wrong}"))?;
        let hit = ashes.world().disk.hit();
        ashes.world().disk.clear_faults();
        let mut opened = 0;
        for crash in [None, Some(Crash::KeepAll), Some(Crash::DropUnsynced)] {
            let mut fork = ashes.fork();
            if let Some(crash) = crash {
                fork.crash(crash);
            }
            opened += self
                .judged
                .once(fork, Some(dice), |_, ashes| stay_well(ashes, dice))
                .map_err(|wrong| format!("{what}; {}; {crash:?}: {wrong}", ashes.last()))?;
        }
        if let Some(Incident::Error(kind)) = incident
            && hit != Some(DiskOp::Write)
        {
            self.whole.insert((call, *kind), opened);
        }
        Ok(Tally { crashes: opened, failures: 1 })
    }
}

/// Opens, and goes on without any failure.
fn stay_well(mut ashes: Ashes, seed: u64) -> Verdict<u64> {
    if let Some(mut session) = ashes.rise(seed, None)? {
        let step = go_on(&mut session, STEPS_AFTER)?;
        ensure!(step == Step::Done, "{}: down on a disk that is well", session.last);
        session.compare()?;
    }
    Ok(1)
}

/// Opens, and is done.
fn rise_once(judged: &mut Judged, ashes: Ashes, seed: u64) -> Verdict<u64> {
    // Only keys are left to chance.
    let dice = ashes.world().keys().map(|_| seed);
    judged.once(ashes, dice, |_, mut ashes| ashes.rise(seed, None).map(|_| 1))
}

/// Opens, goes on, crashes and opens again; answers how often it was opened.
fn rise_again(judged: &mut Judged, mut ashes: Ashes, seed: u64) -> Verdict<u64> {
    let mut dice = Dice::new(seed);
    let mut opened = 1;
    // The power goes a second time while the stream is opened.
    if dice.once_in(2) {
        let mut fork = ashes.fork();
        // A change of keys takes many calls.
        let calls = if ashes.world().is_encrypted() && dice.once_in(2) { 120 } else { 12 };
        let cut_at = dice.below(calls);
        if fork.rise(seed ^ 1 << 56, Some(cut_at))?.is_none() && fork.world().disk.is_dead() {
            let again = Crash::Torn(dice.roll());
            let ending = if dice.once_in(2) { Crash::DropUnsynced } else { again };
            // What was in the page cache only may be lost now; what was synced is not.
            fork.crash(ending);
            opened += rise_once(judged, fork, seed ^ 2 << 56)
                .map_err(|wrong| format!("cut at {cut_at} of opening, {ending:?}: {wrong}"))?;
        }
    }
    // A call fails while it is opened.
    let mut stumbles = Dice::new(seed ^ 8 << 56);
    if stumbles.once_in(3) {
        let mut fork = ashes.fork();
        let calls = if stumbles.once_in(2) { 120 } else { 12 };
        let call = stumbles.below(calls);
        fork.stumble(seed ^ 8 << 56, call);
        let again = stumbles.once_in(2).then_some(Crash::DropUnsynced);
        if let Some(again) = again {
            fork.crash(again);
        }
        opened += rise_once(judged, fork, seed ^ 9 << 56)
            .map_err(|wrong| format!("call {call} of opening fails, {again:?}: {wrong}"))?;
    }
    let Some(mut session) = ashes.rise(seed ^ 3 << 56, None)? else {
        return Ok(opened);
    };
    // What is served is durable: the power may go right away.
    let mut fork = session.fork_ashes();
    fork.crash(Crash::DropUnsynced);
    opened += rise_once(judged, fork, seed ^ 4 << 56)
        .map_err(|wrong| format!("cut again at once: {wrong}"))?;
    // On with the workload, and a cut somewhere in it.
    let cut_at = session.world.disk.changes() + dice.below(40);
    session.world.disk.inject_at(cut_at, Incident::PowerCut);
    let step = go_on(&mut session, STEPS_AFTER)?;
    let ending = match dice.below(3) {
        0 => Crash::DropUnsynced,
        1 => Crash::KeepAll,
        _ => Crash::Torn(dice.roll()),
    };
    let led = format!("{}; {step:?}, {ending:?}", session.last);
    let mut ashes = session.abandon(true);
    opened += 1;
    ashes.crash(ending);
    let risen = ashes.rise(seed ^ 5 << 56, None).map_err(|wrong| format!("{led}: {wrong}"))?;
    let Some(mut session) = risen else { return Ok(opened) };
    // To the end, without any failure.
    let step = go_on(&mut session, STEPS_AFTER)?;
    ensure!(step == Step::Done, "{}: down on a disk that is well", session.last);
    session.compare().map_err(|wrong| format!("{}: {wrong}", session.last))?;
    session.stop().map_err(|wrong| format!("{}: {wrong}", session.last))?;
    let last = session.last.clone();
    let mut ashes = session.abandon(true);
    ashes.crash(Crash::DropUnsynced);
    opened += rise_once(judged, ashes, seed ^ 6 << 56)
        .map_err(|wrong| format!("{last}; stopped: {wrong}"))?;
    Ok(opened)
}

/// How many ways there are for a change to fail; the next number is a failing read.
pub const WAYS_TO_FAIL: usize = FAILURES.len();
