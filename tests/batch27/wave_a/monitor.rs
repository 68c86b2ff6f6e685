//! Health over HTTP and in process.
//!
//! Tests 7, 8 (monitor_test.go) of the ledger.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use monitor::{Healthz, HealthzErrorKind, HealthzOptions};
use server_lifecycle::Embedded;
use tests::DEADLINE;

/// A server with JetStream and monitoring.
fn with_jetstream() -> Embedded {
    Embedded::temporary_with(|options| {
        options.server_name = Some("monitor_server".to_owned());
    })
    .unwrap()
}

/// Status, head in lower case, and body.
fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (code, head.to_lowercase(), body.to_owned())
}

/// Asks twice, plainly and with a callback; both must say the same.
#[track_caller]
fn check_health(address: SocketAddr, path: &str, code: u16, status: &str) {
    let (got, head, body) = get(address, path);
    assert_eq!(got, code, "{path}: {body}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["status"], status, "{path}: {body}");
    let (got, head, body) = get(address, &format!("{path}&callback=callback"));
    assert_eq!(got, code, "{path}: {body}");
    assert!(head.contains("content-type: application/javascript"), "{head}");
    let inner = body.strip_prefix("callback(").and_then(|body| body.trim_end().strip_suffix(')'));
    let json: serde_json::Value = serde_json::from_str(inner.expect("a call")).unwrap();
    assert_eq!(json["status"], status, "{path}: {body}");
}

#[test]
fn monitor_healthz_status_unavailable() {
    let server = with_jetstream();
    let address = server.monitor_addr().expect("monitoring listens");
    assert!(server.server().jetstream_enabled());
    check_health(address, "/healthz?", 200, "ok");
    server.disable_jetstream();
    assert!(!server.server().jetstream_enabled());
    for path in ["/healthz?", "/healthz?js-enabled-only=true"] {
        check_health(address, path, 503, "unavailable");
        check_health(address, &format!("{path}&details=true"), 503, "error");
    }
    let server_only = "/healthz?js-server-only=true";
    check_health(address, server_only, 200, "ok");
    check_health(address, &format!("{server_only}&details=true"), 200, "ok");
}

#[test]
fn server_healthz() {
    let healthz = |server: &Embedded, options: HealthzOptions| -> Healthz {
        server.server().monitor().healthz(&options)
    };
    let default = HealthzOptions::default;
    let plain = || {
        Embedded::temporary_with(|options| {
            options.jetstream.enabled = false;
            options.no_system_account = true;
        })
        .unwrap()
    };

    // Basic health.
    let server = plain();
    let health = healthz(&server, default());
    assert_eq!(health.status, "ok");
    assert_eq!(health.status_code, 200);
    assert_eq!(health.error, "");
    let health = healthz(&server, HealthzOptions { js_server_only: true, ..default() });
    assert_eq!(health.status, "ok");
    assert_eq!(health.status_code, 200);

    // A stream needs an account.
    let server = plain();
    let stream = || "TEST".to_owned();
    let health = healthz(&server, HealthzOptions { stream: stream(), ..default() });
    assert_eq!(health.status_code, 400);
    assert_eq!(health.status, "error");
    assert_eq!(health.error, "\"account\" must not be empty when checking stream health");

    // A consumer needs a stream.
    let server = plain();
    let asked =
        HealthzOptions { account: "ACC".to_owned(), consumer: "TEST".to_owned(), ..default() };
    let health = healthz(&server, asked);
    assert_eq!(health.status_code, 400);
    assert_eq!(health.status, "error");
    assert_eq!(health.error, "\"stream\" must not be empty when checking consumer health");

    // Details.
    let server = plain();
    let health = healthz(&server, HealthzOptions { details: true, ..default() });
    assert_eq!(health.status, "ok");
    assert!(health.errors.is_empty());
    let health = healthz(&server, HealthzOptions { stream: stream(), details: true, ..default() });
    assert_eq!(health.status_code, 400);
    assert!(!health.errors.is_empty());
    assert_eq!(health.errors[0].kind, HealthzErrorKind::BadRequest);
    assert_eq!(health.error, "", "it is in the list");

    // Nobody can connect.
    let server = plain();
    server.server().monitor().set_unready();
    let health = healthz(&server, default());
    assert_eq!(health.status_code, 500);
    assert_eq!(health.status, "error");
    server.server().monitor().set_ready();
    assert_eq!(healthz(&server, default()).status, "ok");

    // JetStream is asked for, and down.
    let server = with_jetstream();
    assert!(server.server().jetstream_enabled());
    server.disable_jetstream();
    assert!(!server.server().jetstream_enabled());
    let health = healthz(&server, default());
    assert_eq!(health.status_code, 503);
    assert_eq!(health.status, "unavailable");
    let health = healthz(&server, HealthzOptions { js_server_only: true, ..default() });
    assert_eq!(health.status, "ok");
}
