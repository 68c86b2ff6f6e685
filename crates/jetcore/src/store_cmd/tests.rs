//! The commands on directories that nats-server wrote.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::args::{Action, ArgsError, HELP, Request, parse};
use super::{Failure, Outcome, perform};

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn the_words_are_read() {
    let request = |action, dir: &str, json| Ok(Some(Request { action, dir: dir.into(), json }));
    assert_eq!(parse(words(&["verify", "d"])), request(Action::Verify, "d", false));
    assert_eq!(parse(words(&["inspect", "--json", "d"])), request(Action::Inspect, "d", true));
    assert_eq!(parse(words(&["repair", "--", "-d"])), request(Action::Repair, "-d", false));
    assert_eq!(parse(words(&["--help"])), Ok(None));
    assert_eq!(parse(words(&["verify", "-h"])), Ok(None));
    assert_eq!(parse(words(&[])), Err(ArgsError::NoCommand));
    assert_eq!(parse(words(&["look"])), Err(ArgsError::UnknownCommand("look".to_owned())));
    assert_eq!(parse(words(&["verify"])), Err(ArgsError::NoDirectory));
    assert_eq!(parse(words(&["verify", "a", "b"])), Err(ArgsError::TooMany("b".to_owned())));
    assert_eq!(parse(words(&["verify", "-x"])), Err(ArgsError::UnknownOption("-x".to_owned())));
    assert_eq!(parse(words(&["repair", "--json", "d"])), Err(ArgsError::NoJson));
    assert!(HELP.contains("Exit code"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn store_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/store/v2.14");
    copy(&fixtures.join("clean"), &dir.path().join("jetstream"));
    dir
}

fn perform_in(action: Action, json: bool, dir: &Path) -> (Outcome, String) {
    let mut out = Vec::new();
    let outcome = perform(&Request { action, dir: dir.to_owned(), json }, &mut out).unwrap();
    (outcome, String::from_utf8(out).unwrap())
}

#[test]
fn damage_is_found_told_and_repaired() {
    let dir = store_dir();
    let (outcome, text) = perform_in(Action::Verify, false, dir.path());
    assert_eq!(outcome, Outcome::Sound, "{text}");
    assert!(text.contains("$G > ORDERS: sound (46 messages, 1 block, 2 consumers)"), "{text}");
    assert!(text.ends_with("2 streams: 2 sound, 0 damaged\n"), "{text}");

    let block = dir.path().join("jetstream/$G/streams/ORDERS/msgs/1.blk");
    let original = fs::read(&block).unwrap();
    let mut bytes = original.clone();
    bytes[500] ^= 4;
    bytes[501] ^= 4;
    fs::write(&block, &bytes).unwrap();
    let (outcome, text) = perform_in(Action::Verify, false, dir.path());
    assert_eq!(outcome, Outcome::Damage);
    assert!(text.contains("$G > ORDERS: DAMAGED"), "{text}");
    assert!(text.contains("make no sound record"), "{text}");

    let (outcome, text) = perform_in(Action::Repair, false, dir.path());
    assert_eq!(outcome, Outcome::Sound, "{text}");
    assert!(text.contains("rewrote msgs/1.blk"), "{text}");
    let (outcome, text) = perform_in(Action::Inspect, true, dir.path());
    assert_eq!(outcome, Outcome::Sound, "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let orders = &json["streams"][1];
    assert_eq!((orders["name"].as_str(), orders["messages"].as_u64()), (Some("ORDERS"), Some(45)));
    assert_eq!(orders["lost"]["msgs"].as_array().unwrap().len(), 1);
    let kept = fs::read_dir(block.parent().unwrap()).unwrap().flatten();
    let kept: Vec<_> = kept
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("1.blk.bad-"))
        .collect();
    assert!(kept.iter().any(|entry| fs::read(entry.path()).unwrap() == bytes));
    let (_, text) = perform_in(Action::Inspect, false, dir.path());
    assert!(text.contains("consumer worker: delivered"), "{text}");
}

#[test]
fn nothing_is_repaired_under_a_server() {
    let dir = store_dir();
    let repair = || {
        let request = Request { action: Action::Repair, dir: dir.path().to_owned(), json: false };
        perform(&request, &mut Vec::new())
    };
    let root = File::open(dir.path().join("jetstream")).unwrap();
    flock(&root, FlockOperation::LockShared).unwrap();
    assert!(matches!(repair(), Err(Failure::InUse(_))));
    flock(&root, FlockOperation::Unlock).unwrap();
    assert_eq!(repair().unwrap(), Outcome::Sound);
    // A server without the lock still has its files open.
    let block = dir.path().join("jetstream/$G/streams/ORDERS/msgs/1.blk");
    let mut other = std::process::Command::new("sleep")
        .arg("60")
        .stdin(File::open(block).unwrap())
        .spawn()
        .unwrap();
    let refused = repair();
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(matches!(refused, Err(Failure::InUse(_))));
}
