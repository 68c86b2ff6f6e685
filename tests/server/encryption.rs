//! Encryption at rest as a whole: configuration, log, restarts, changed keys, the reference.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::{Node, Raw, Setup, reference};

use crate::interop::{fill, picture};

fn setup(keys: &str) -> Setup {
    Setup::core().config(&format!("jetstream {{ store_dir: \"$DIR/store\", {keys} }}"))
}

/// All files below the store directory but the lock of the running server.
fn files(node: &Node) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut dirs = vec![node.store().join("jetstream/$G")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                files.push((path, bytes));
            }
        }
    }
    files.sort();
    files
}

fn holding(node: &Node, text: &str) -> Vec<PathBuf> {
    let found = files(node)
        .into_iter()
        .filter(|(_, bytes)| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    found.map(|(path, _)| path).collect()
}

/// Configuration, state, messages and consumers of every stream must be the same.
#[track_caller]
fn assert_same(before: &Value, after: &Value) {
    assert_same_but(before, after, "");
}

#[track_caller]
fn assert_same_but(before: &Value, after: &Value, changed: &str) {
    let (before, after) = (before.as_array().expect("streams"), after.as_array().expect("streams"));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        for (part, name) in
            ["config", "created", "state", "messages", "consumers"].iter().enumerate()
        {
            if *name == changed {
                continue;
            }
            let (mut before_part, mut after_part) = (before[part].clone(), after[part].clone());
            if *name == "consumers" && changed == "created" {
                for consumer in before_part.as_array_mut().into_iter().flatten() {
                    consumer[1] = Value::Null;
                }
                for consumer in after_part.as_array_mut().into_iter().flatten() {
                    consumer[1] = Value::Null;
                }
            }
            assert_eq!(before_part, after_part, "{name} of {}", before[0]["name"]);
        }
    }
}

#[test]
fn what_is_stored_cannot_be_read_without_the_key() {
    mark::check!(F1369, F1370, F1372);
    for (keys, words) in [
        ("key: \"a key\"", "  Encryption:      ChaCha20-Poly1305"),
        ("encryption_key: \"a key\", cipher: aes", "  Encryption:      AES-GCM"),
    ] {
        let mut node = setup(keys).start();
        node.wait_log(words);
        fill(&node);
        let before = picture(&node);
        node.kill9();
        for text in ["plain.1", "xxxxxxxx", "a > b", "a \\u003e b", "dur"] {
            assert_eq!(holding(&node, text), Vec::<PathBuf>::new(), "{text:?}");
        }
        let mut node = setup(keys).start_in(node.shared_dir());
        assert_same(&before, &picture(&node));
        assert!(node.stop().success());
        assert_eq!(holding(&node, "plain.1"), Vec::<PathBuf>::new());
        let node = setup(keys).start_in(node.shared_dir());
        assert_same(&before, &picture(&node));
    }
}

#[test]
fn a_store_without_a_key_says_nothing_of_encryption() {
    let node = setup("max_mem: 1M").start();
    node.wait_log("API Level:");
    assert!(!node.log().iter().any(|line| line.contains("Encryption:")));
}

#[test]
fn a_key_may_come_from_a_variable() {
    let text = "STORE_KEY: \"from a variable\"\n\
        jetstream { store_dir: \"$DIR/store\", key: $STORE_KEY, cipher: aes }";
    let mut node = Setup::core().config(text).start();
    fill(&node);
    let before = picture(&node);
    node.stop();
    let node = setup("key: \"from a variable\", cipher: aes").start_in(node.shared_dir());
    assert_same(&before, &picture(&node));
}

#[test]
fn a_plain_store_is_encrypted_and_its_key_changed_with_every_consumer() {
    let mut node = setup("max_mem: 1M").start();
    fill(&node);
    let before = picture(&node);
    node.stop();
    assert!(!holding(&node, "plain.1").is_empty());
    for keys in [
        "key: one",
        "ek: two, prev_ek: one",
        "key: two, cipher: aes",
        "encryption_key: three, prev_encryption_key: two",
        "key: three",
    ] {
        let mut next = setup(keys).start_in(node.shared_dir());
        assert_same(&before, &picture(&next));
        next.kill9();
        assert_eq!(holding(&next, "plain.1"), Vec::<PathBuf>::new(), "{keys}");
        node = next;
    }
}

#[test]
fn a_wrong_key_takes_streams_offline_and_changes_nothing() {
    let mut node = setup("key: right").start();
    fill(&node);
    let before = picture(&node);
    node.stop();
    let stored = files(&node);
    for keys in ["key: wrong", "key: wrong, prev_key: \"wrong too\"", "prev_key: right"] {
        let reason = match keys {
            "prev_key: right" => "encryption not enabled",
            _ => "unable to recover keys",
        };
        let mut other = setup(keys).start_in(node.shared_dir());
        other.wait_log(&format!("Error decrypting our stream metafile: {reason}"));
        let mut raw = Raw::client(&other);
        let names = raw.api("$JS.API.STREAM.NAMES", "");
        let info = raw.api("$JS.API.STREAM.INFO.PLAIN", "");
        assert!(info.get("state").is_none(), "{names} {info}");
        other.stop();
        assert!(files(&node) == stored, "{keys}: a file was changed");
    }
    let node = setup("key: right").start_in(node.shared_dir());
    assert_same(&before, &picture(&node));
}

#[test]
fn encrypted_stores_move_between_the_servers() {
    let Some(binary) = reference("moving encrypted store directories") else { return };
    let theirs = |keys: &str| setup(keys).binary(Path::new(&binary));
    for (writer, reader, last, cipher_changed_there) in [
        (theirs("key: one"), setup("key: one"), theirs("key: one"), false),
        (
            theirs("key: one, cipher: aes"),
            setup("key: two, prev_key: one"),
            theirs("key: two"),
            false,
        ),
        (setup("key: one, cipher: aes"), theirs("key: one, cipher: aes"), setup("key: one"), false),
        (
            setup("key: one"),
            theirs("key: one, cipher: aes"),
            setup("key: two, prev_key: one"),
            true,
        ),
        (theirs("max_mem: 1M"), setup("key: one"), theirs("key: one"), false),
    ] {
        let mut node = writer.start();
        fill(&node);
        let before = picture(&node);
        node.stop();
        let mut node = reader.start_in(node.shared_dir());
        // The reference stores the time of its start for a stream whose cipher it changes.
        let changed = if cipher_changed_there { "created" } else { "" };
        assert_same_but(&before, &picture(&node), changed);
        node.stop();
        let node = last.start_in(node.shared_dir());
        assert_same_but(&before, &picture(&node), changed);
    }
}
