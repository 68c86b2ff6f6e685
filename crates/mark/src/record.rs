//! The list of marks that this process reached, and the file that gate and children share.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Environment variable with the path of the file to which reached ids are appended, one a line.
pub const VARIABLE: &str = "JETCORE_MARKS";

/// One place in the code that is marked; made by [`hit!`](crate::hit) only.
pub struct Site {
    id: &'static str,
    hits: AtomicU64,
    listed: AtomicBool,
}

impl Site {
    /// A mark that was not reached so far.
    pub const fn new(id: &'static str) -> Self {
        Self { id, hits: AtomicU64::new(0), listed: AtomicBool::new(false) }
    }

    /// Counts one pass; the first one enters the mark in the process's list, and in the file if
    /// there is one.
    pub fn hit(&'static self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        // Whoever passes while the first one is at it waits: a guard that is asked afterwards
        // must find the mark listed.
        if !self.listed.load(Ordering::Acquire) {
            let mut record = lock();
            if !self.listed.swap(true, Ordering::AcqRel) {
                record.sites.push(self);
                append(self.id);
            }
        }
    }
}

#[derive(Default)]
struct Record {
    sites: Vec<&'static Site>,
    /// Marks that child processes reached, with the number of children.
    absorbed: BTreeMap<String, u64>,
}

fn lock() -> MutexGuard<'static, Record> {
    static RECORD: LazyLock<Mutex<Record>> = LazyLock::new(Mutex::default);
    // Nothing under the lock leaves it half changed.
    RECORD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a mark was reached in this process, and in how many children that are gone.
pub(crate) fn count(id: &str) -> u64 {
    let record = lock();
    let own = record.sites.iter().filter(|site| site.id == id);
    let own: u64 = own.map(|site| site.hits.load(Ordering::Relaxed)).sum();
    own + record.absorbed.get(id).copied().unwrap_or(0)
}

/// Makes a child process write its marks into `file`, in a directory that outlives it.
pub fn record_child<'a>(command: &'a mut Command, file: &Path) -> &'a mut Command {
    command.env(VARIABLE, file)
}

/// Takes over what a child wrote into `file`, as if this process had reached it; a file that is
/// not there means that no mark was reached.
///
/// To be called once the child is gone, and before the end of the test.
pub fn absorb(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut record = lock();
    for id in text.lines() {
        *record.absorbed.entry(id.to_owned()).or_default() += 1;
        append(id);
    }
}

/// Writes one line, in one write, so that lines of several processes do not mix.
fn append(id: &str) {
    static FILE: LazyLock<Option<std::ffi::OsString>> =
        LazyLock::new(|| std::env::var_os(VARIABLE));
    let Some(path) = FILE.as_deref() else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    if let Err(err) = file.and_then(|mut file| file.write_all(format!("{id}\n").as_bytes())) {
        eprintln!("mark {id} is lost: {}: {err}", Path::new(path).display());
    }
}
