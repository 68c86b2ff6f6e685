//! Command lines and what becomes of them.

use std::collections::HashSet;
use std::path::PathBuf;

use config_validate::options::{Options, Port};

use super::signal::SignalCommand;
use super::table::FLAGS;
use super::*;

fn line(args: &[&str]) -> Result<Command, FlagError> {
    parse(args.iter().map(|arg| (*arg).to_owned()))
}

fn run(args: &[&str]) -> Run {
    match line(args) {
        Ok(Command::Run(run)) => *run,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn text_of_error(args: &[&str]) -> String {
    line(args).expect_err("must be refused").to_string()
}

#[test]
fn one_and_two_dashes_and_both_ways_of_giving_a_value() {
    for args in [&["-p", "4333"][..], &["--p", "4333"], &["-p=4333"], &["--port=4333"]] {
        assert_eq!(run(args).overrides.port, Some(Port::Fixed(4333)), "{args:?}");
    }
    for args in [&["-js"][..], &["--js"], &["-js=true"], &["--jetstream=1"], &["-js=T"]] {
        assert_eq!(run(args).overrides.jetstream, Some(true), "{args:?}");
    }
    for args in [&["-js=false"][..], &["--jetstream=0"], &["-js=F"]] {
        assert_eq!(run(args).overrides.jetstream, Some(false), "{args:?}");
    }
}

#[test]
fn a_truth_value_is_never_taken_from_the_next_word() {
    assert_eq!(line(&["-js", "false"]), Err(FlagError::UnknownCommand("false".into())));
}

#[test]
fn every_text_flag_lands_in_its_field() {
    let o = run(&[
        "-a",
        "h",
        "-n",
        "s",
        "-P",
        "pid",
        "--client_advertise",
        "ca",
        "--ports_file_dir",
        "pd",
        "-l",
        "log",
        "-r",
        "rs",
        "--user",
        "u",
        "--pass",
        "w",
        "--auth",
        "k",
        "-sd",
        "dir",
    ])
    .overrides;
    let path = |text: &str| Some(PathBuf::from(text));
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((o.host, o.server_name), (text("h"), text("s")));
    assert_eq!((o.pid_file, o.ports_file_dir), (path("pid"), path("pd")));
    assert_eq!((o.client_advertise, o.remote_syslog), (text("ca"), text("rs")));
    assert_eq!((o.user, o.password, o.token), (text("u"), text("w"), text("k")));
    assert_eq!((o.log_file, o.store_dir), (path("log"), path("dir")));
}

#[test]
fn ports() {
    let port = |value: &str| run(&["-p", value]).overrides.port;
    assert_eq!(port("0"), Some(Port::Fixed(4222)));
    assert_eq!(port("-1"), Some(Port::Random));
    assert_eq!(port("1"), Some(Port::Fixed(1)));
    assert_eq!(port("65535"), Some(Port::Fixed(65535)));
    assert_eq!(port("0x10"), Some(Port::Fixed(16)));
    assert_eq!(port("010"), Some(Port::Fixed(8)));
    assert_eq!(port("4_222"), Some(Port::Fixed(4222)));
    assert_eq!(run(&["-m", "0"]).overrides.http_port, Some(None));
    assert_eq!(run(&["-m", "8222"]).overrides.http_port, Some(Some(Port::Fixed(8222))));
    let wrong = |value: &str| text_of_error(&["-p", value]);
    assert_eq!(wrong("65536"), "invalid value \"65536\" for flag -p: value out of range");
    assert_eq!(wrong("-2"), "invalid value \"-2\" for flag -p: value out of range");
    assert_eq!(wrong("abc"), "invalid value \"abc\" for flag -p: parse error");
    assert_eq!(wrong(""), "invalid value \"\" for flag -p: parse error");
    assert_eq!(wrong("1__0"), "invalid value \"1__0\" for flag -p: parse error");
    assert_eq!(
        wrong("99999999999999999999"),
        "invalid value \"99999999999999999999\" for flag -p: value out of range"
    );
}

#[test]
fn logging_flags_combine() {
    let log = |args: &[&str]| {
        let o = run(args).overrides;
        (o.debug, o.trace, o.trace_verbose)
    };
    assert_eq!(log(&["-D"]), (Some(true), None, None));
    assert_eq!(log(&["-V"]), (None, Some(true), None));
    assert_eq!(log(&["-VV"]), (None, Some(true), Some(true)));
    assert_eq!(log(&["-DV"]), (Some(true), Some(true), None));
    assert_eq!(log(&["-DVV"]), (Some(true), Some(true), Some(true)));
    assert_eq!(log(&["-DV=false"]), (Some(false), Some(false), None));
    assert_eq!(log(&["-DV", "-D=false"]), (Some(true), Some(true), None));
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_the_reference() {
    for (args, text) in [
        (&["--foo"][..], "flag provided but not defined: -foo"),
        (&["-p"], "flag needs an argument: -p"),
        (&["-js=maybe"], "invalid boolean value \"maybe\" for -js: parse error"),
        (&["---p", "3"], "bad flag syntax: ---p"),
        (&["-=3"], "bad flag syntax: -=3"),
        (&["zip"], "unrecognized command: \"zip\""),
        (&["-t"], "must specify [-c, --config] option to check configuration file syntax"),
        (&["-sl=quit=1=2=3"], "invalid signal parameters: [2 3]"),
        (&["-sl", "foo=1"], "unknown signal \"foo\""),
    ] {
        assert_eq!(text_of_error(args), text, "{args:?}");
    }
}

#[test]
fn flags_of_what_is_missing_are_refused_unless_they_ask_for_nothing() {
    for args in [
        &["--tls"][..],
        &["--tlscert", "x"],
        &["-ms", "8443"],
        &["--cluster", "nats://0.0.0.0:6222"],
        &["--routes=nats://a:1"],
    ] {
        let text = text_of_error(args);
        assert!(text.ends_with("is not supported yet by this server"), "{args:?}: {text}");
    }
    for args in [&["--tls=false"][..], &["--cluster", ""], &["-ms=0"]] {
        assert_eq!(run(args), Run::default(), "{args:?}");
    }
}

#[test]
fn words_that_are_no_flags() {
    assert_eq!(line(&["version"]), Ok(Command::Version));
    assert_eq!(line(&["HELP"]), Ok(Command::Help));
    assert_eq!(line(&["-v"]), Ok(Command::Version));
    assert_eq!(line(&["--help"]), Ok(Command::Help));
    assert_eq!(line(&["--help_tls"]), Ok(Command::HelpTls));
    assert_eq!(line(&["--", "help"]), Ok(Command::Help));
    assert_eq!(line(&["-"]), Err(FlagError::UnknownCommand("-".into())));
    // The first word ends the flags: what follows is not looked at.
    assert_eq!(line(&["help", "--foo"]), Ok(Command::Help));
    // A false flag asks for nothing.
    assert_eq!(line(&["-v=false"]), Ok(Command::Run(Box::default())));
}

#[test]
fn signals() {
    for (word, command) in [
        ("stop", SignalCommand::Stop),
        ("quit", SignalCommand::Quit),
        ("reopen", SignalCommand::Reopen),
        ("reload", SignalCommand::Reload),
        ("ldm", SignalCommand::Ldm),
        ("term", SignalCommand::Term),
    ] {
        let value = format!("{word}=/run/x.pid");
        let request = SignalRequest { command, target: "/run/x.pid".into() };
        assert_eq!(line(&["-sl", &value]), Ok(Command::Signal(request)));
    }
    let all = SignalRequest { command: SignalCommand::Quit, target: String::new() };
    assert_eq!(line(&["--signal", "quit"]), Ok(Command::Signal(all)));
}

#[test]
fn names_are_unique_and_help_shows_each() {
    let mut seen = HashSet::new();
    let help = usage();
    for name in FLAGS.iter().flat_map(|flag| flag.names()) {
        assert!(seen.insert(name), "-{name} is there twice");
        assert!(help.contains(&format!("-{name}")), "-{name} is not in the help text");
    }
    for known in [
        "a",
        "addr",
        "net",
        "p",
        "port",
        "n",
        "name",
        "server_name",
        "P",
        "pid",
        "m",
        "http_port",
        "ms",
        "https_port",
        "c",
        "config",
        "t",
        "sl",
        "signal",
        "client_advertise",
        "ports_file_dir",
        "l",
        "log",
        "T",
        "logtime",
        "logtime_utc",
        "s",
        "syslog",
        "r",
        "remote_syslog",
        "D",
        "debug",
        "V",
        "trace",
        "VV",
        "DV",
        "DVV",
        "log_size_limit",
        "max_traced_msg_len",
        "js",
        "jetstream",
        "sd",
        "store_dir",
        "user",
        "pass",
        "auth",
        "tls",
        "tlscert",
        "tlskey",
        "tlsverify",
        "tlscacert",
        "routes",
        "cluster",
        "cluster_listen",
        "cluster_name",
        "no_advertise",
        "cluster_advertise",
        "connect_retries",
        "profile",
        "h",
        "help",
        "v",
        "version",
        "help_tls",
    ] {
        assert!(seen.remove(known), "-{known} of nats-server is missing");
    }
    assert!(seen.is_empty(), "unknown to nats-server: {seen:?}");
}

#[test]
fn the_version_names_both_servers() {
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(version(), format!("nats-server: v2.14.0 (jetcore {own})"));
}

#[test]
fn the_command_line_wins_over_the_file() {
    let mut options = Options::from_text(
        "port: 4000\nhost: a\nhttp: 8000\ndebug: true\nlogtime: false\njetstream: true\n\
         authorization { user: x, password: y }\npid_file: p\n",
    )
    .expect("valid");
    options.merge_flags(
        run(&["-p", "5000", "-D=false", "-m", "0", "--user", "z", "-T", "-P", ""]).overrides,
    );
    assert_eq!(options.port, Port::Fixed(5000));
    assert_eq!(options.host, "a");
    assert_eq!(options.monitor.http_port, None);
    assert!(!options.log.debug && options.log.logtime && options.jetstream.enabled);
    assert_eq!(options.auth.user.as_deref(), Some("z"));
    assert_eq!(options.auth.password.as_deref(), Some("y"));
    assert_eq!(options.pid_file, None);
}
