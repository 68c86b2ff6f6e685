//! Signals, names, addresses, the store directory and JetStream's configuration.

use std::fs;
use std::path::Path;

use crate::identity::name_hash;
use crate::signal::{self, SignalError};

#[test]
fn node_hashes_are_those_of_the_reference() {
    // As nats-server 2.14 logs it for `-n refsrv`.
    assert_eq!(name_hash("refsrv"), "0ma2bQYK");
}

#[test]
fn signals_to_nobody_are_refused_in_the_words_of_the_reference() {
    let text = |command, target| signal::send(command, target).unwrap_err().to_string();
    // Process ids stop at 2^22 on Linux.
    assert_eq!(text("reload", "99999999"), "\nsignal \"reload\" 99999999: no such process");
    assert_eq!(text("reload", "-5"), "\nsignal \"reload\" -5: no such process");
    assert_eq!(text("foo", "99999999"), "unknown signal \"foo\"");
    assert_eq!(text("ldm", "nofile"), "invalid pid: nofile");
    assert_eq!(text("quit", "abc*"), "invalid pid: abc");
    assert_eq!(SignalError::NoProcess.to_string(), "no nats-server processes running");
    assert_eq!(
        SignalError::Several(vec![1, 22]).to_string(),
        "multiple nats-server processes running:\n1\n22"
    );
}

#[test]
fn the_process_id_can_stand_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "99999999").unwrap();
    let target = file.path().to_str().unwrap();
    assert_eq!(
        signal::send("reload", target).unwrap_err().to_string(),
        "\nsignal \"reload\" 99999999: no such process"
    );
}

#[test]
fn advertised_addresses_are_split_like_the_reference_does() {
    use crate::listener::split;
    let some = |host: &str, port| Some((host.to_owned(), port));
    assert_eq!(split("me", 4222), some("me", 4222));
    assert_eq!(split("me:5", 4222), some("me", 5));
    assert_eq!(split("me:-1", 4222), some("me", 4222));
    assert_eq!(split("[::1]:7", 4222), some("::1", 7));
    assert_eq!(split("[::1]", 4222), some("::1", 4222));
    assert_eq!(split("me:65536", 4222), None);
    assert_eq!(split(":5", 4222), None);
}

mod store_dir {
    use super::{Path, fs};
    use crate::jetstream::store_dir::{StoreDirError, prepare, repair};

    fn known(name: &str) -> bool {
        matches!(name, "$G" | "A")
    }

    fn make(dir: &Path, names: &[&str]) {
        for name in names {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
    }

    #[test]
    fn accounts_beside_the_store_directory_move_into_it() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["$G/streams/S", "A", "other"]);
        let store = dir.path().join("jetstream");
        let moved = repair(&store, known).unwrap();
        assert_eq!(moved.len(), 2);
        assert!(store.join("$G/streams/S").is_dir() && store.join("A").is_dir());
        assert!(dir.path().join("other").is_dir() && !dir.path().join("A").exists());
        assert!(repair(&store, known).unwrap().is_empty(), "done once");
    }

    #[test]
    fn nothing_moves_into_a_store_that_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["$G", "A", "jetstream/$G"]);
        assert!(repair(&dir.path().join("jetstream"), known).unwrap().is_empty());
        assert!(dir.path().join("A").is_dir());
    }

    #[test]
    fn a_single_entry_beside_it_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["$G"]);
        assert!(repair(&dir.path().join("jetstream"), known).unwrap().is_empty());
        make(dir.path(), &["jetstream"]);
        assert_eq!(repair(&dir.path().join("jetstream"), known).unwrap().len(), 1);
    }

    #[test]
    fn a_directory_is_made_for_the_owner_only_and_left_clean() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("a/b/jetstream");
        prepare(&store).unwrap();
        let mode = fs::metadata(&store).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(fs::read_dir(&store).unwrap().count(), 0);
        prepare(&store).unwrap();
    }

    #[test]
    fn a_file_in_its_place_or_above_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            assert!(matches!(prepare(&path), Err(StoreDirError::NotADirectory)));
        }
    }
}

mod config {
    use std::path::PathBuf;

    use config_validate::Options;

    use crate::jetstream::config::{Resolved, at_start, parse_memory_limit};

    fn resolve(options: &Options) -> Resolved {
        crate::jetstream::config::resolve(Some(&at_start(options)), options)
    }

    #[test]
    fn memory_limits_are_read_as_go_programs_do() {
        let rows = [
            ("77", Some(77)),
            ("2KiB", Some(2048)),
            ("1GiB", Some(1 << 30)),
            ("1GB", None),
            ("", None),
        ];
        for (text, limit) in rows {
            assert_eq!(parse_memory_limit(text), limit, "{text:?}");
        }
    }

    fn options(max_memory: Option<i64>, max_store: Option<i64>, dir: Option<PathBuf>) -> Options {
        let mut options = Options { store_dir: dir, ..Options::default() };
        options.jetstream.max_memory = max_memory;
        options.jetstream.max_store = max_store;
        options
    }

    #[test]
    fn explicit_limits_are_taken_as_they_are() {
        let resolved = resolve(&options(Some(1), Some(2), Some("/d".into())));
        let config = &resolved.config;
        assert_eq!((config.max_memory, config.max_storage), (1, 2));
        assert_eq!(config.store_dir, "/d/jetstream");
        assert!(!resolved.dynamic && !resolved.temporary && config.compress_ok);
    }

    #[test]
    fn a_missing_limit_is_taken_from_the_machine() {
        let dir = tempfile::tempdir().unwrap();
        let resolved = resolve(&options(Some(0), Some(-1), Some(dir.path().into())));
        assert_eq!(resolved.config.max_memory, 0, "an explicit 0 is a limit");
        assert!(resolved.config.max_storage > 0);
        assert!(resolved.dynamic && !resolved.config.compress_ok);
        assert!(dir.path().join("jetstream").is_dir());
    }

    #[test]
    fn without_a_directory_data_is_temporary() {
        let resolved = resolve(&options(Some(1), Some(1), None));
        let temp = std::env::temp_dir();
        assert!(resolved.temporary);
        assert_eq!(PathBuf::from(resolved.config.store_dir), temp.join("jetstream"));
    }
}
