//! The command line: what is asked for, and what people see of it.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lexopt::{Arg, Parser, ValueExt as _};

use crate::crash_run::{self, CrashRun, WAYS_TO_FAIL};
use crate::model_run::{self, OPS_PER_RUN};
use crate::verdict::{Verdict, guarded};
use crate::victim::{SUBJECTS, Victim};

const HELP: &str = "\
sim               the store against a plain model, with crashes, failing calls and damage
    --ops N           operations against the model (default 100,000,000); sessions whose every
                      call crashes and fails: one for each 500,000; small stores that get
                      all damage there is: one for each million, five at least
    --seconds N       as much of it as can be done in that time
    --seed N          first seed (default 0): a later run goes on from the one that was printed
    --jobs N          threads (default: processors)
    --part NAME       only 'model', 'crash' or 'damage'
    --canary          only whether each planted bug is found
    --replay WHAT     one finding again: 'model SEED', 'crash SEED CHANGE', 'fail SEED CALL WAY',
                      'damage SEED PIECE'
";

/// Operations for each session with crashes.
const OPS_PER_SESSION: u64 = 500_000;
/// Operations for each store that is damaged.
const OPS_PER_STORE: u64 = 1_000_000;
/// Findings of one part that are printed.
const MOST_SHOWN: usize = 5;

#[derive(Clone, Debug)]
struct Options {
    ops: u64,
    seconds: Option<u64>,
    seed: u64,
    jobs: u64,
    canary: bool,
    part: Option<String>,
    replay: Option<String>,
}

impl Options {
    fn wants(&self, part: &str) -> bool {
        self.part.as_deref().is_none_or(|only| only == part)
    }
}

fn parse(args: Vec<String>) -> Result<Option<Options>, lexopt::Error> {
    let jobs = std::thread::available_parallelism().map_or(1, |jobs| jobs.get() as u64);
    let mut options = Options {
        ops: 100_000_000,
        seconds: None,
        seed: 0,
        jobs,
        canary: false,
        part: None,
        replay: None,
    };
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("ops") => options.ops = parser.value()?.parse()?,
            Arg::Long("seconds") => options.seconds = Some(parser.value()?.parse()?),
            Arg::Long("seed") => options.seed = parser.value()?.parse()?,
            Arg::Long("jobs") => options.jobs = parser.value()?.parse::<u64>()?.max(1),
            Arg::Long("canary") => options.canary = true,
            Arg::Long("part") => {
                let part = parser.value()?.string()?;
                if !["model", "crash", "damage"].contains(&part.as_str()) {
                    return Err(format!("no part of the simulation: {part:?}").into());
                }
                options.part = Some(part);
            }
            Arg::Long("replay") => options.replay = Some(parser.value()?.string()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// Runs what is asked for.
#[must_use]
pub fn main(args: Vec<String>) -> ExitCode {
    match parse(args) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => {
            // A panic is a finding like any other; its message is in the finding.
            std::panic::set_hook(Box::new(|_| {}));
            if run(&options) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("sim: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> bool {
    if let Some(replay) = &options.replay {
        return match again(replay) {
            Ok(()) => {
                println!("nothing wrong");
                true
            }
            Err(wrong) => {
                println!("{wrong}");
                false
            }
        };
    }
    if options.canary {
        return canaries();
    }
    let share = |part: u64| options.seconds.map(|all| Duration::from_secs(all * part / 10));
    let runs = options.ops.div_ceil(OPS_PER_RUN);
    let model = Part {
        name: "model",
        unit: "operations",
        units: OPS_PER_RUN,
        seeds: options.seed..options.seed + runs,
        jobs: options.jobs,
        time: share(6),
    };
    let mut well = true;
    if options.wants(model.name) {
        well &= model.run(&|seed| {
            guarded(|| model_run::run(seed, model_run::Kind::of(seed)))
                .map(|()| OPS_PER_RUN)
                .map_err(|wrong| Finding { replay: format!("model {seed}"), wrong })
        });
    }
    let sessions = options.ops.div_ceil(OPS_PER_SESSION);
    let crash = Part {
        name: "crash",
        unit: "stores opened after a crash or failure",
        units: 0,
        seeds: options.seed..options.seed + sessions,
        jobs: options.jobs,
        time: share(3),
    };
    if options.wants(crash.name) {
        well &= crash.run(&every_call);
    }
    let stores = options.ops.div_ceil(OPS_PER_STORE).max(SUBJECTS.len() as u64);
    let damage = Part {
        name: "damage",
        unit: "pieces of damage",
        units: 0,
        seeds: options.seed..options.seed + stores,
        jobs: options.jobs,
        time: share(1),
    };
    if options.wants(damage.name) {
        well &= damage.run(&all_damage);
    }
    well
}

struct Finding {
    replay: String,
    wrong: String,
}

/// Every change of a session cut by a power cut, every change and read failing in every way.
fn every_call(seed: u64) -> Result<u64, Finding> {
    let (changes, reads) = guarded(|| crash_run::calls(seed))
        .map_err(|wrong| Finding { replay: format!("crash {seed} 1000000"), wrong })?;
    let mut opened = 0;
    let mut run = CrashRun::new(seed);
    for change in 0..changes {
        opened += guarded(|| run.crash_at(change, 4))
            .map_err(|wrong| Finding { replay: format!("crash {seed} {change}"), wrong })?
            .crashes;
        for way in 0..WAYS_TO_FAIL {
            opened += fails(&mut run, seed, change, way)?;
        }
    }
    for read in 0..reads {
        opened += fails(&mut run, seed, read, WAYS_TO_FAIL)?;
    }
    Ok(opened)
}

fn fails(run: &mut CrashRun, seed: u64, call: u64, way: usize) -> Result<u64, Finding> {
    guarded(|| run.fail_at(call, way))
        .map(|tally| tally.crashes)
        .map_err(|wrong| Finding { replay: format!("fail {seed} {call} {way}"), wrong })
}

/// Seeds that threads take one after the other.
struct Part {
    name: &'static str,
    unit: &'static str,
    /// What a seed counts for until it is known better.
    units: u64,
    seeds: std::ops::Range<u64>,
    jobs: u64,
    time: Option<Duration>,
}

impl Part {
    /// Runs all seeds, says how it goes, and whether nothing was found.
    fn run(&self, each: &(dyn Fn(u64) -> Result<u64, Finding> + Sync)) -> bool {
        let started = Instant::now();
        let next = AtomicU64::new(self.seeds.start);
        let done = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        let findings = Mutex::new(Vec::new());
        let said = Mutex::new(Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    loop {
                        let late = self.time.is_some_and(|time| started.elapsed() >= time);
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if late || seed >= self.seeds.end || over.load(Ordering::Relaxed) {
                            next.fetch_min(seed, Ordering::Relaxed);
                            return;
                        }
                        match each(seed) {
                            Ok(units) => {
                                done.fetch_add(units.max(self.units), Ordering::Relaxed);
                            }
                            Err(finding) => {
                                if let Ok(mut findings) = findings.lock() {
                                    findings.push(finding);
                                    over.store(findings.len() >= MOST_SHOWN, Ordering::Relaxed);
                                }
                            }
                        }
                        if let Ok(mut said) = said.try_lock()
                            && said.elapsed() >= Duration::from_secs(2)
                        {
                            *said = Instant::now();
                            self.say(done.load(Ordering::Relaxed), seed, started);
                        }
                    }
                });
            }
        });
        let findings = findings.into_inner().unwrap_or_default();
        let verdict = if findings.is_empty() { "ok" } else { "FAILED" };
        let next = next.load(Ordering::Relaxed).min(self.seeds.end);
        self.say(done.load(Ordering::Relaxed), next.saturating_sub(1), started);
        println!("{}: {verdict}; go on with --seed {next}", self.name);
        for Finding { replay, wrong } in findings.iter().take(MOST_SHOWN) {
            println!("\n  {wrong}\n  replay: cargo xtask sim --replay '{replay}'");
        }
        findings.is_empty()
    }

    fn say(&self, done: u64, seed: u64, started: Instant) {
        let seconds = started.elapsed().as_secs_f64().max(0.001);
        let share = (seed - self.seeds.start) * 100 / (self.seeds.end - self.seeds.start).max(1);
        eprintln!(
            "{}: {done} {} in {seconds:.0} s ({:.0}/s), seed {seed}, {share} %",
            self.name,
            self.unit,
            done as f64 / seconds
        );
    }
}

/// All damage to one store.
fn all_damage(seed: u64) -> Result<u64, Finding> {
    let finding = |piece: usize, wrong| Finding { replay: format!("damage {seed} {piece}"), wrong };
    let victim = guarded(|| Victim::new(seed)).map_err(|wrong| finding(0, wrong))?;
    let all = victim.all_damage();
    for (piece, &(file, damage)) in all.iter().enumerate() {
        guarded(|| victim.damage(file, damage)).map_err(|wrong| finding(piece, wrong))?;
    }
    Ok(all.len() as u64)
}

fn one_damage(seed: u64, piece: usize) -> Verdict {
    let victim = Victim::new(seed)?;
    let (file, damage) = *victim.all_damage().get(piece).ok_or("no such damage")?;
    victim.damage(file, damage)
}

/// One finding again.
fn again(what: &str) -> Verdict {
    let mut words = what.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    match (kind, numbers.as_slice()) {
        ("model", [seed]) => guarded(|| model_run::run(*seed, model_run::Kind::of(*seed))),
        ("crash", [seed, change]) => {
            guarded(|| CrashRun::new(*seed).crash_at(*change, 4)).map(|_| ())
        }
        ("damage", [seed, piece]) => guarded(|| one_damage(*seed, *piece as usize)),
        ("fail", [seed, call, way]) => {
            guarded(|| CrashRun::new(*seed).fail_at(*call, *way as usize)).map(|_| ())
        }
        _ => Err(format!("no such thing to replay: {what}")),
    }
}

#[cfg(not(feature = "canary"))]
fn canaries() -> bool {
    eprintln!("sim: built without the feature `canary`; `cargo xtask sim --canary` builds it");
    false
}

#[cfg(feature = "canary")]
fn canaries() -> bool {
    println!("{:<20} {:<8} by", "planted bug", "result");
    let mut well = true;
    for canary in store::Canary::ALL {
        let catch = crate::canary::hunt(canary);
        let result = if catch.by.is_some() { "caught" } else { "MISSED" };
        let by = catch.by.unwrap_or_default();
        let words: String = catch.words.chars().rev().take(110).collect();
        let words: String = words.chars().rev().collect();
        println!("{:<20} {result:<8} {by}: {words}", format!("{canary:?}"));
        well &= result == "caught";
    }
    well
}
