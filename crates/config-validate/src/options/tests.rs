//! Config files: what they set, and what is refused.

mod accounts;
mod auth;
mod jetstream;
mod operator;
mod reload;
mod validation;

use std::time::Duration;

use super::*;

/// Options of a text that must be valid.
fn options(text: &str) -> Options {
    match Options::from_text(text) {
        Ok(options) => options,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

/// The one error of a text, as `line:column: text`.
fn error(text: &str) -> String {
    match Options::from_text(text) {
        Err(ConfigErrors::Content { errors, .. }) => {
            let lines: Vec<String> =
                errors.iter().map(|e| e.to_string().trim_start_matches(':').to_owned()).collect();
            assert_eq!(lines.len(), 1, "{text:?}: {lines:?}");
            lines.concat()
        }
        Err(other) => panic!("{text:?}: {other}"),
        Ok(_) => panic!("{text:?} was accepted"),
    }
}

fn check_errors(table: &[(&str, &str)]) {
    for (text, wanted) in table {
        assert_eq!(error(text), *wanted, "{text:?}");
    }
}

/// The text that every wrong type without a check of its own gets.
fn conversion(found: &str, wanted: &str) -> String {
    format!("1:0: interface conversion: interface {{}} is {found}, not {wanted}")
}

#[test]
fn nothing_set_means_the_defaults_of_the_reference() {
    let o = Options::default();
    assert_eq!((o.host.as_str(), o.port), ("0.0.0.0", Port::Fixed(4222)));
    assert_eq!(o.limits.max_payload, Some(1_048_576));
    assert_eq!(o.limits.max_control_line, 4096);
    assert_eq!(o.limits.max_connections, Some(65_536));
    assert_eq!(o.limits.max_subscriptions, None);
    assert_eq!(o.limits.max_pending, 67_108_864);
    assert_eq!(o.limits.max_closed_clients, 10_000);
    assert_eq!((o.ping_interval, o.ping_max), (Duration::from_secs(120), 2));
    assert_eq!(o.write_deadline, Duration::from_secs(10));
    assert_eq!(o.lame_duck_duration, Duration::from_secs(120));
    assert_eq!(o.lame_duck_grace_period, Duration::from_secs(10));
    assert_eq!(o.auth.timeout, Duration::from_secs(2));
    assert!(o.log.logtime && !o.log.debug && !o.jetstream.enabled && o.jetstream.strict);
    assert_eq!((o.jetstream.max_memory, o.jetstream.max_store), (None, None));
    assert_eq!(o.jetstream.sync.interval, Duration::from_secs(120));
    assert_eq!(o.jetstream.request_queue_limit, 10_000);
    assert_eq!(o.effective_system_account(), Some("$SYS"));
    assert!(o.admits_anonymous());
}

#[test]
fn network_keys() {
    let o = options("listen: 127.0.0.1:5000");
    assert_eq!((o.host.as_str(), o.port), ("127.0.0.1", Port::Fixed(5000)));
    let o = options("listen: 5000");
    assert_eq!((o.host.as_str(), o.port), ("0.0.0.0", Port::Fixed(5000)));
    let o = options("listen: \"[::1]:-1\"");
    assert_eq!((o.host.as_str(), o.port), ("::1", Port::Random));
    let o = options("host: a, port: 0, client_advertise: 'b:1'");
    assert_eq!((o.host.as_str(), o.port), ("a", Port::Fixed(4222)));
    assert_eq!(o.client_advertise.as_deref(), Some("b:1"));
    let o = options("net: a\nport: -1\nhttp: c:8000\nhttp_base_path: /x/./y/");
    assert_eq!((o.port, o.monitor_host()), (Port::Random, "c"));
    assert_eq!(o.monitor.http_port, Some(Port::Fixed(8000)));
    assert_eq!(o.monitor.base_path, "/x/y");
    let o = options("host: a\nmonitor_port: 0");
    assert_eq!((o.monitor_host(), o.monitor.http_port), ("a", None));
    let o = options("no_header_support: true, no_sublist_cache: on, no_fast_producer_stall: yes");
    assert!(o.no_header_support && o.disable_sublist_cache && o.no_fast_producer_stall);
}

#[test]
fn listen_addresses_that_are_none() {
    check_errors(&[
        ("listen: nohost", "1:0: could not parse address string \"nohost\""),
        ("listen: 'a:b:1'", "1:0: could not parse address string \"a:b:1\""),
        ("listen: '[a:1'", "1:0: could not parse address string \"[a:1\""),
        ("listen: 'a:x'", "1:0: could not parse port \"x\""),
        ("http: [1]", "1:0: expected port or host:port, got []interface {}"),
        ("port: 65536", "1:0: port 65536 is out of range"),
        ("port: -2", "1:0: port -2 is out of range"),
        ("port: x", &conversion("string", "int64")),
        ("port: 1.5", &conversion("float64", "int64")),
        ("host: 1", &conversion("int64", "string")),
        ("debug: 1", &conversion("int64", "bool")),
        ("host: {}", &conversion("map[string]interface {}", "string")),
        ("host: 2016-05-04T18:53:41Z", &conversion("time.Time", "string")),
    ]);
    assert_eq!(options("port: 65535").port, Port::Fixed(65535));
}

#[test]
fn limits_of_connections() {
    let limits = |text: &str| options(text).limits;
    let o = limits("max_payload: 2MB, max_control_line: 512, max_pending: 1k, max_conn: 7");
    assert_eq!((o.max_payload, o.max_control_line), (Some(2 << 20), 512));
    assert_eq!((o.max_pending, o.max_connections), (1000, Some(7)));
    assert_eq!(limits("max_payload: 0").max_payload, Some(1 << 20));
    assert_eq!(limits("max_payload: -1").max_payload, None);
    assert_eq!(limits("max_payload: 2147483647").max_payload, Some(i32::MAX as u32));
    assert_eq!(limits("max_connections: 0").max_connections, None);
    assert_eq!(limits("max_connections: -1").max_connections, None);
    assert_eq!(limits("max_subs: 3").max_subscriptions, Some(3));
    assert_eq!(limits("max_subscriptions: 0").max_subscriptions, None);
    assert_eq!(limits("max_sub_tokens: 255").max_sub_tokens, Some(255));
    assert_eq!(limits("max_closed_clients: 5").max_closed_clients, 5);
    check_errors(&[
        ("max_payload: 2147483648", "1:0: max_payload value is too big"),
        ("MAX_PAYLOAD: 2147483648", "1:0: MAX_PAYLOAD value is too big"),
        ("max_control_line: 2147483648", "1:0: max_control_line value is too big"),
        ("max_control_line: -1", "1:0: max_control_line value can not be negative"),
        ("max_sub_tokens: 256", "1:0: max_sub_tokens value is too big"),
        ("max_sub_tokens: 0", "1:0: max_sub_tokens value can not be negative"),
        ("max_sub_tokens: -1", "1:0: max_sub_tokens value can not be negative"),
        ("max_payload: '1MB'", &conversion("string", "int64")),
    ]);
}

#[test]
fn durations_of_connections() {
    let o = options(
        "ping_interval: 30s, ping_max: 5, write_deadline: '1.5s', lame_duck_duration: '30s', \
         lame_duck_grace_period: '0s', write_timeout: retry",
    );
    assert_eq!((o.ping_interval, o.ping_max), (Duration::from_secs(30), 5));
    assert_eq!(o.write_deadline, Duration::from_millis(1500));
    assert_eq!(o.lame_duck_duration, Duration::from_secs(30));
    assert_eq!(o.lame_duck_grace_period, Duration::from_secs(10));
    assert_eq!(o.write_timeout, WriteTimeoutPolicy::Retry);
    assert_eq!(options("ping_interval: '0s'").ping_interval, Duration::from_secs(120));
    check_errors(&[
        ("ping_interval: x", "1:0: error parsing ping_interval: time: invalid duration \"x\""),
        (
            "write_deadline: '5'",
            "1:0: error parsing write_deadline: time: missing unit in duration \"5\"",
        ),
        (
            "write_deadline: 5y",
            "1:0: error parsing write_deadline: time: unknown unit \"y\" in duration \"5y\"",
        ),
        ("ping_interval: '-1s'", "1:0: invalid ping_interval, needs to be positive"),
        (
            "lame_duck_duration: '29.9s'",
            "1:0: invalid lame_duck_duration of 29.9s, minimum is 30 seconds",
        ),
        (
            "lame_duck_grace_period: '-1s'",
            "1:0: invalid lame_duck_grace_period, needs to be positive",
        ),
        ("lame_duck_duration: 40", &conversion("int64", "string")),
        ("write_timeout: never", "1:0: write_timeout must be 'default', 'close' or 'retry'"),
        ("ping_max: -1", "1:0: ping_max value can not be negative"),
    ]);
}

#[test]
fn a_number_of_seconds_still_works_and_earns_a_warning() {
    let o = options("write_deadline: 5");
    assert_eq!(o.write_deadline, Duration::from_secs(5));
    let warnings: Vec<String> = o.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [":1:0: invalid use of field \"write_deadline\": write_deadline should be converted to a \
          duration"]
    );
    // An unquoted 1m is a million seconds.
    assert_eq!(options("ping_interval: 1m").ping_interval, Duration::from_secs(1_000_000));
}

#[test]
fn identity_and_logging() {
    let o = options(
        "server_name: s1, server_tags: [' A ', b, a, ''], server_metadata {k: v}, \
         feature_flags {f: true}, trace_verbose: true, trace_headers: true, logtime_utc: on, \
         log_file: l, log_size_limit: 1k, log_max_num: 3, syslog: yes, remote_syslog: r, \
         pid_file: p, ports_file_dir: d, prof_port: 1, max_traced_msg_len: 9, logtime: false",
    );
    assert_eq!(o.server_name.as_deref(), Some("s1"));
    assert_eq!(o.server_tags, ["a", "b"]);
    assert_eq!(o.server_metadata.get("k").map(String::as_str), Some("v"));
    assert_eq!(o.feature_flags.get("f"), Some(&true));
    assert!(o.log.trace && o.log.trace_verbose && o.log.trace_headers);
    assert!(o.log.logtime_utc && !o.log.logtime && o.log.syslog);
    assert_eq!((o.log.size_limit, o.log.max_files), (Some(1000), Some(3)));
    assert_eq!((o.log.max_traced_msg_len, o.prof_port), (Some(9), Some(Port::Fixed(1))));
    assert_eq!(o.pid_file, Some("p".into()));
    assert_eq!((o.log.file, o.ports_file_dir), (Some("l".into()), Some("d".into())));
    check_errors(&[
        ("server_name: 'a b'", "1:0: server name cannot contain spaces"),
        ("server_metadata: 1", "1:0: error parsing metadata: unsupported type int64"),
        (
            "feature_flags {f: 1}",
            "1:15: error parsing feature flag \"f\": expected bool, got int64",
        ),
        ("server_tags: 1", "1:0: error parsing tags: unsupported type int64"),
    ]);
}

#[test]
fn unknown_keys_are_refused_unless_a_variable_uses_them() {
    check_errors(&[
        ("foo: 1", "1:0: unknown field \"foo\""),
        ("port: 1\n  foo {x: 1}", "2:3: unknown field \"foo\""),
        ("'a\"b': 1", "1:1: unknown field \"a\\\"b\""),
        ("jetstream {foo: 1}", "1:11: unknown field \"foo\""),
        ("jetstream {limits {foo: 1}}", "1:19: unknown field \"foo\""),
        ("jetstream {limits {batch {foo: 1}}}", "1:26: unknown field \"foo\""),
        ("authorization {foo: 1}", "1:15: unknown field \"foo\""),
        ("authorization {users: [{user: a, foo: 1}]}", "1:33: unknown field \"foo\""),
        ("accounts {A {foo: 1}}", "1:13: unknown field \"foo\""),
        ("accounts {A {jetstream {foo: 1}}}", "1:24: unknown field \"foo\""),
    ]);
    let o = options("P: 5000\nport: $P\njetstream {S: /x, store_dir: $S}\n");
    assert_eq!((o.port, o.store_dir), (Port::Fixed(5000), Some("/x".into())));
}

#[test]
fn every_error_is_reported_after_the_warnings() {
    let error = Options::from_text("write_deadline: 5\nfoo: 1\nport: x\n").expect_err("wrong");
    assert_eq!(
        error.to_string(),
        ":1:0: invalid use of field \"write_deadline\": write_deadline should be converted to a \
         duration\n:2:1: unknown field \"foo\"\n:3:1: interface conversion: interface {} is \
         string, not int64\n"
    );
}

#[test]
fn an_empty_file_is_a_warning() {
    let o = options("# nothing\n");
    assert_eq!(o.warnings.len(), 1);
    assert_eq!(o.warnings[0].to_string(), ": config has no values or is empty");
}

#[test]
fn files_carry_their_name_into_errors_and_options() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("c.conf");
    std::fs::write(&path, "port: 4000\n").expect("written");
    let o = Options::from_file(&path).expect("valid");
    assert_eq!((o.port, o.config_file.as_ref()), (Port::Fixed(4000), Some(&path)));
    assert!(o.config_digest.is_some_and(|digest| digest.starts_with("sha256:")));
    std::fs::write(&path, "port: 4000\nfoo: 1").expect("written");
    let error = Options::from_file(&path).expect_err("unknown key").to_string();
    assert_eq!(error, format!("{}:2:1: unknown field \"foo\"\n", path.display()));
    let missing = dir.path().join("none.conf");
    let error = Options::from_file(&missing).expect_err("no file").to_string();
    assert_eq!(error, format!("open {}: no such file or directory", missing.display()));
    let error = Options::from_file(dir.path()).expect_err("no file").to_string();
    assert_eq!(error, format!("read {}: is a directory", dir.path().display()));
}

#[test]
fn what_is_missing_here_is_a_warning_or_an_error() {
    let o = options("cluster {name: c, port: 6222}\nleafnodes {}\nprof_block_rate: 1");
    let deferred: Vec<&str> = o.deferred_keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(deferred, ["cluster", "leafnodes", "prof_block_rate"]);
    assert_eq!((o.cluster.name.as_deref(), o.cluster.port), (Some("c"), Some(Port::Fixed(6222))));
    for key in ["tls {}", "https: 1", "https_port: 1", "resolver_tls {}", "proxies {}"] {
        let name = key.split([' ', ':']).next().expect("a name");
        let wanted = format!("1:0: \"{name}\" is not supported yet by this server");
        assert_eq!(error(key), wanted, "{key}");
    }
    check_errors(&[
        (
            "authorization {auth_callout {}}",
            "1:15: \"auth_callout\" is not supported yet by this server",
        ),
        ("proxy_protocol: true", "1:0: \"proxy_protocol\" is not supported yet by this server"),
        ("cluster: 1", "1:0: Expected map to define cluster, got int64"),
        ("cluster {name: 'a b'}", "1:9: cluster name cannot contain spaces"),
    ]);
    assert!(options("proxy_protocol: false\nport: 1").deferred_keys.is_empty());
}
