//! Whether the harness finds the planted bugs: each of them is switched on in turn.

use store::{Canary, plant};

use crate::crash_run::{CrashRun, WAYS_TO_FAIL, calls};
use crate::model_run;
use crate::verdict::{Verdict, guarded};
use crate::victim::{SUBJECTS, Victim};

/// How a planted bug was found.
#[derive(Clone, Debug)]
pub struct Catch {
    /// The bug.
    pub canary: Canary,
    /// Which check found it, and with which seed; none if it was missed.
    pub by: Option<String>,
    /// What it said.
    pub words: String,
}

/// Switches a bug on and looks for it.
#[must_use]
pub fn hunt(canary: Canary) -> Catch {
    plant(Some(canary));
    let found = search(canary);
    plant(None);
    match found {
        Some((by, words)) => Catch { canary, by: Some(by), words },
        None => Catch { canary, by: None, words: String::new() },
    }
}

/// Which check found it, and what it said.
type Found = Option<(String, String)>;

fn search(canary: Canary) -> Found {
    in_models(canary)
        .or_else(|| in_damage(canary, Some(400)))
        .or_else(|| in_sessions(canary))
        // What shows with a few bits of all only.
        .or_else(|| in_damage(canary, None))
}

/// Whether a check fails with the bug, and does not without.
fn look(
    canary: Canary,
    by: &dyn Fn() -> String,
    with: &dyn Fn() -> Verdict,
    without: &dyn Fn() -> Verdict,
) -> Found {
    let words = guarded(with).err()?;
    plant(None);
    let caught = guarded(without).is_ok();
    plant(Some(canary));
    caught.then(|| (by(), words))
}

fn in_models(canary: Canary) -> Found {
    (0..16).find_map(|seed| {
        let run = || model_run::run(seed, model_run::Kind::of(seed));
        look(canary, &|| format!("model, seed {seed}"), &run, &run)
    })
}

fn in_damage(canary: Canary, sample: Option<usize>) -> Found {
    (0..SUBJECTS.len() as u64).find_map(|seed| {
        let victim = match guarded(|| Victim::new(seed)) {
            Ok(victim) => victim,
            Err(words) => return Some((format!("damage, seed {seed}"), words)),
        };
        let pieces = match sample {
            Some(count) => victim.sample(7, count),
            None => victim.all_damage(),
        };
        pieces.into_iter().find_map(|(file, damage)| {
            let by = || format!("damage, seed {seed}");
            let again = || Victim::new(seed)?.damage(file, damage);
            look(canary, &by, &|| victim.damage(file, damage), &again)
        })
    })
}

fn in_sessions(canary: Canary) -> Found {
    (0..60).find_map(|seed| {
        let (changes, reads) = match guarded(|| calls(seed)) {
            Ok(calls) => calls,
            Err(words) => return Some((format!("session, seed {seed}"), words)),
        };
        (seed % 3..changes.max(reads)).step_by(3).find_map(|call| {
            let how = (call as usize / 3) % WAYS_TO_FAIL;
            let crash = || CrashRun::new(seed).crash_at(call, 1).map(|_| ());
            let fail = || CrashRun::new(seed).fail_at(call, how).map(|_| ());
            let crashed = || format!("crash, seed {seed}, change {call}");
            let failed = || format!("failure, seed {seed}, change {call}, way {how}");
            look(canary, &crashed, &crash, &crash).or_else(|| look(canary, &failed, &fail, &fail))
        })
    })
}
