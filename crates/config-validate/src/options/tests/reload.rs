//! What a running server can change, and what it refuses.

use super::options;
use crate::options::{Change, Running};

const RUNNING: Running = Running { port: 4222, jetstream: true };

/// Log lines of the changes, without those that every reload has; or the refusal.
fn reload(old: &str, new: &str) -> Result<Vec<String>, String> {
    let mut new = options(new);
    let changes = options(old).reload_changes(&mut new, RUNNING).map_err(|e| e.to_string())?;
    let lines = changes.iter().filter(|c| !matches!(c, Change::Users | Change::Accounts));
    Ok(lines.flat_map(Change::log_line).collect())
}

#[test]
fn what_can_change_is_told_in_the_references_words() {
    let rows = [
        ("", "", vec![]),
        ("port: -1", "port: 4222", vec![]),
        ("port: 4222", "port: -1", vec![]),
        ("", "debug: true\ntrace: true", vec!["Reloaded: trace = true", "Reloaded: debug = true"]),
        ("", "logtime: false", vec!["Reloaded: logtime = false"]),
        ("", "max_connections: 5", vec!["Reloaded: max_connections = 5"]),
        ("", "max_payload: 1024", vec!["Reloaded: max_payload = 1024"]),
        ("", "max_control_line: 512", vec!["Reloaded: max_control_line = 512"]),
        (
            "",
            "ping_interval: 5\nping_max: 3",
            vec!["Reloaded: ping_interval = 5s", "Reloaded: ping_max = 3"],
        ),
        ("", "write_deadline: '3s'", vec!["Reloaded: write_deadline = 3s"]),
        ("", "client_advertise: 'a:1'", vec!["Reload: client_advertise = a:1"]),
        ("", "pid_file: /tmp/p", vec!["Reloaded: pid_file = /tmp/p"]),
        ("pid_file: /tmp/p", "", vec![]),
        ("", "server_tags: [a]", vec!["Reloaded: tags"]),
        (
            "",
            "authorization {user: a, password: b}",
            vec!["Reloaded: authorization username", "Reloaded: authorization password"],
        ),
        ("", "authorization {token: a}", vec!["Reloaded: authorization token"]),
        ("", "no_fast_producer_stall: true", vec!["Reloaded: fast producers will not be stalled"]),
        ("jetstream: true", "", vec!["Reloaded: JetStream"]),
        (
            "jetstream {max_mem: 1KB, max_file: 1KB}",
            "jetstream {max_mem: 2KB, max_file: 3KB}",
            vec![
                "Reloaded: JetStream max_mem_store = 2.00 KB",
                "Reloaded: JetStream max_file_store = 3.00 KB",
            ],
        ),
        ("jetstream {max_mem: 1KB, store_dir: /tmp/a}", "", vec!["Reloaded: JetStream"]),
        ("no_auth_user: a\nauthorization {users: [{user: a, password: b}]}", "", vec![]),
    ];
    for (old, new, lines) in rows {
        assert_eq!(reload(old, new).unwrap(), lines, "{old:?} to {new:?}");
    }
}

#[test]
fn what_cannot_change_is_refused() {
    let rows = [
        ("host: a", "host: b", "Host: old=a, new=b"),
        ("port: 4222", "port: 4223", "Port: old=4222, new=4223"),
        ("server_name: a", "server_name: b", "ServerName: old=a, new=b"),
        ("", "max_subscriptions: 5", "MaxSubs: old=0, new=5"),
        ("", "http: 8222", "HTTPPort: old=0, new=8222"),
        ("", "max_pending: 1024", "MaxPending: old=67108864, new=1024"),
        ("", "lame_duck_duration: '1m'", "LameDuckDuration: old=2m0s, new=1m0s"),
        ("", "accounts {A {}}\nsystem_account: A", "SystemAccount: old=, new=A"),
        (
            "authorization {users: [{user: a, password: b}]}",
            "authorization {users: [{user: a, password: b}]}\nno_auth_user: a",
            "NoAuthUser: old=, new=a",
        ),
        (
            "authorization {users: [{user: a, password: b}]}\nno_auth_user: a",
            "authorization {users: [{user: a, password: b}]}",
            "NoAuthUser: old=a, new=",
        ),
        ("jetstream {domain: a}", "jetstream {domain: b}", "JetStreamDomain: old=a, new=b"),
        ("jetstream {store_dir: /a}", "jetstream {store_dir: /b}", "jetstream storage directory"),
        ("jetstream {store_dir: /a}", "jetstream: true", "jetstream storage dir"),
        (
            "jetstream {max_mem: 2KB}",
            "jetstream {max_mem: 1KB}",
            "decreasing jetstream max memory and store",
        ),
        ("jetstream: true", "jetstream {max_mem: 1KB}", "jetstream dynamic max memory and store"),
        ("jetstream {max_mem: 2KB}", "jetstream: true", "jetstream max memory and max store"),
    ];
    for (old, new, wrong) in rows {
        let wrong = format!("config reload not supported for {wrong}");
        assert_eq!(reload(old, new), Err(wrong), "{old:?} to {new:?}");
    }
}
