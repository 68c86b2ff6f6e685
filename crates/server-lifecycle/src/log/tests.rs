//! Layout of the log, levels, files that rotate and are re-opened.

use std::fs;

use config_validate::options::LogOptions;

use super::*;

fn log_to(path: &std::path::Path, change: impl FnOnce(&mut LogOptions)) -> LogHandle {
    let mut options = LogOptions { file: Some(path.to_owned()), ..LogOptions::default() };
    change(&mut options);
    let (subscriber, handle) = subscriber(&options).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("Listening on {}", "0.0.0.0:4222");
        tracing::warn!("careful");
        tracing::error!("broken");
        tracing::error!(target: FATAL, "the end");
        tracing::debug!("detail");
        tracing::trace!("wire");
    });
    handle
}

#[test]
fn lines_have_the_layout_of_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.log");
    log_to(&path, |_| {});
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    let pid = format!("[{}] ", std::process::id());
    for (line, rest) in lines.iter().zip([
        "[INF] Listening on 0.0.0.0:4222",
        "[WRN] careful",
        "[ERR] broken",
        "[FTL] the end",
    ]) {
        let line = line.strip_prefix(&pid).unwrap();
        let (stamp, text) = line.split_at("2026/11/23 22:45:16.123456 ".len());
        assert_eq!(text, rest);
        let shape: String =
            stamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(shape, "9999/99/99 99:99:99.999999 ");
    }
}

#[test]
fn debug_and_trace_are_independent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    log_to(&path, |options| options.trace = true);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("[TRC] wire") && !text.contains("[DBG]"), "{text}");
    let path = dir.path().join("b.log");
    log_to(&path, |options| options.debug = true);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("[DBG] detail") && !text.contains("[TRC]"), "{text}");
}

#[test]
fn without_logtime_there_is_no_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.log");
    log_to(&path, |options| options.logtime = false);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&format!("[{}] [INF] Listening", std::process::id())), "{text}");
}

#[test]
fn reopening_makes_a_new_file_under_the_old_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.log");
    let handle = log_to(&path, |_| {});
    fs::rename(&path, dir.path().join("old.log")).unwrap();
    assert_eq!(handle.reopen().unwrap(), Reopened::File);
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_full_file_becomes_a_backup_and_old_backups_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.log");
    for _ in 0..4 {
        log_to(&path, |options| {
            options.size_limit = Some(100);
            options.max_files = Some(2);
        });
    }
    let names: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let backups = names.iter().filter(|name| name.starts_with("server.log.")).count();
    assert_eq!((names.len(), backups), (2, 1), "{names:?}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("Rotated log, backup saved as"), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_and_syslog_are_errors() {
    let missing =
        LogOptions { file: Some("/nonexistent-dir/x.log".into()), ..LogOptions::default() };
    assert!(matches!(subscriber(&missing), Err(LogError::Open { .. })));
    let syslog = LogOptions { syslog: true, ..LogOptions::default() };
    assert!(matches!(subscriber(&syslog), Err(LogError::Syslog)));
}
