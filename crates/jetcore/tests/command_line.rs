//! The binary's command line, as a shell sees it.
//!
//! That this test needs the binary is also why `cargo test --workspace` builds it for the
//! whole-server tests.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jetcore")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_version_is_that_of_the_compatible_server_with_ours_beside_it() {
    for flag in ["-v", "--version"] {
        let output = run(&[flag]);
        assert!(output.status.success());
        let expected = concat!("nats-server: v2.14.0 (jetcore ", env!("CARGO_PKG_VERSION"), ")\n");
        assert_eq!(text(&output.stdout), expected);
    }
}

#[test]
fn help_names_the_flags() {
    let output = run(&["-h"]);
    assert!(output.status.success());
    let help = format!("{}{}", text(&output.stdout), text(&output.stderr));
    for flag in ["--port", "--jetstream", "--store_dir", "--config", "--signal", "--http_port"] {
        assert!(help.contains(flag), "{flag} is missing from\n{help}");
    }
}

#[test]
fn an_unknown_flag_or_value_is_an_error() {
    for (args, message) in [
        (&["-bogus"][..], "flag provided but not defined: -bogus"),
        (&["-p", "many"], "invalid value \"many\" for flag -p"),
        (&["-p"], "flag needs an argument: -p"),
    ] {
        let output = run(args);
        assert!(!output.status.success(), "{args:?}");
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(told.contains(message), "{args:?}: {told}");
    }
}

#[test]
fn a_config_file_is_tested_without_starting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.conf");
    let path = path.to_str().unwrap();
    std::fs::write(path, "port: 4333\njetstream: enabled\n").unwrap();
    let output = run(&["-t", "-c", path]);
    let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(told.contains("is valid"), "{told}");
    std::fs::write(path, "port: 4333\nnonsense: 1\n").unwrap();
    let output = run(&["-t", "-c", path]);
    let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!output.status.success());
    assert!(told.contains(":2:1: unknown field \"nonsense\""), "{told}");
}
