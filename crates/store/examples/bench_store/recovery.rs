//! Time to the first answer and memory, after a clean stop and after a kill; and reads.
//!
//! Each opening is a process of its own, so that its memory is its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use store::{Durability, Filter, StreamStore};

use crate::measure::{Outcome, Watch, mib, resident, show, thousands};
use crate::options::Options;
use crate::setup;

/// Flag of the process that opens a stream and says what that cost.
const OPEN: &str = "--child-open";
/// Flag of the process that appends and dies.
const DIE: &str = "--child-die";

/// Whether what the system keeps of the files is dropped before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    Cached,
    OnDisk,
}

pub(crate) fn run(options: &Options, base: &Path) -> Outcome<()> {
    for (name, messages, subjects) in [
        ("LOG", options.messages, 100),
        ("LONGLOG", options.messages * 10, 100),
        ("SUBJECTS", options.messages.max(options.subjects), options.subjects),
    ] {
        println!(
            "{} messages of 128 B on {} subjects",
            thousands(messages as f64),
            thousands(subjects as f64)
        );
        let base = base.join(name);
        {
            let mut store = setup::create(&base, &setup::config(name))?;
            let before = resident();
            let watch = Watch::start();
            setup::fill(&mut store, 0, messages, subjects, Durability::Written)?;
            let spent = watch.stop();
            store.flush(Durability::Synced)?;
            println!(
                "  filled, unsynced                 {}/s, CPU {:.0} ns/append",
                thousands(spent.per_second(messages)),
                spent.cpu_ns(messages)
            );
            store.release_memory();
            let held = store.totals().num_subjects;
            let memory = resident().saturating_sub(before);
            println!(
                "  memory after release             {}, {:.0} B/subject",
                mib(memory),
                memory as f64 / held as f64
            );
            if subjects == 100 {
                reads(&mut store)?;
            }
            let watch = Watch::start();
            store.stop()?;
            println!("  clean stop                       {}", show(watch.stop().wall));
        }
        open("after a clean stop", &base, name, Files::Cached)?;
        open("after a clean stop, cold", &base, name, Files::OnDisk)?;
        die(&base, name, messages, subjects)?;
        open("after kill -9, 2,000 appends", &base, name, Files::Cached)?;
        die(&base, name, messages, subjects)?;
        open("after kill -9, cold", &base, name, Files::OnDisk)?;
        std::fs::remove_file(base.join("streams").join(name).join("msgs/index.db"))?;
        open("without index.db", &base, name, Files::Cached)?;
        std::fs::remove_dir_all(&base)?;
    }
    Ok(())
}

fn reads(store: &mut dyn StreamStore) -> Outcome<()> {
    let totals = store.totals();
    let watch = Watch::start();
    let (mut from, mut count) = (0, 0);
    while let Some(msg) = store.next_match(&Filter::all(), from)? {
        from = msg.seq + 1;
        count += 1;
    }
    let spent = watch.stop();
    println!(
        "  read in order                    {}/s, CPU {:.0} ns",
        thousands(spent.per_second(count)),
        spent.cpu_ns(count)
    );
    let watch = Watch::start();
    let gets = 1_000;
    for number in 0..gets {
        let seq = totals.first_seq + setup::mix(number) % totals.msgs;
        store.get(seq)?.ok_or("a message is missing")?;
    }
    let spent = watch.stop();
    println!(
        "  read at random                   {}/s, CPU {:.0} ns",
        thousands(spent.per_second(gets)),
        spent.cpu_ns(gets)
    );
    Ok(())
}

fn open(what: &str, base: &Path, name: &str, files: Files) -> Outcome<()> {
    if files == Files::OnDisk {
        for entry in std::fs::read_dir(base.join("streams").join(name).join("msgs"))? {
            let file = std::fs::File::open(entry?.path())?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    let output = Command::new(std::env::current_exe()?).arg(OPEN).arg(base).arg(name).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    println!("  start {what:28}{}", String::from_utf8_lossy(&output.stdout).trim());
    Ok(())
}

fn die(base: &Path, name: &str, messages: u64, subjects: u64) -> Outcome<()> {
    let output = Command::new(std::env::current_exe()?)
        .arg(DIE)
        .arg(base)
        .arg(name)
        .args([messages.to_string(), subjects.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.trim() == "ready to die" { Ok(()) } else { Err("the child did not get there".into()) }
}

/// Does the work of a child process, if this is one.
pub(crate) fn child(args: &[String]) -> Option<Outcome<()>> {
    match args {
        [flag, base, name] if flag == OPEN => Some(child_open(Path::new(base), name)),
        [flag, base, name, messages, subjects] if flag == DIE => {
            Some(child_die(Path::new(base), name, messages, subjects))
        }
        _ => None,
    }
}

fn child_open(base: &Path, name: &str) -> Outcome<()> {
    let before = resident();
    let watch = Watch::start();
    let mut store = setup::open(base, name)?;
    let opened = watch.stop().wall;
    let last = store.totals().last_seq;
    store.get(last)?.ok_or("the last message is missing")?;
    let first_answer = watch.stop();
    store.release_memory();
    let totals = store.totals();
    println!(
        "{:>9} to the first answer ({} open, CPU {}), {} held, {} messages, {} subjects",
        show(first_answer.wall),
        show(opened),
        show(first_answer.cpu),
        mib(resident().saturating_sub(before)),
        thousands(totals.msgs as f64),
        thousands(totals.num_subjects as f64),
    );
    Ok(())
}

fn child_die(base: &Path, name: &str, messages: &str, subjects: &str) -> Outcome<()> {
    let (messages, subjects): (u64, u64) = (messages.parse()?, subjects.parse()?);
    let mut store = setup::open(base, name)?;
    setup::fill(&mut *store, messages, messages + 2_000, subjects, Durability::Synced)?;
    println!("ready to die");
    std::thread::sleep(Duration::from_millis(1));
    std::process::abort();
}
