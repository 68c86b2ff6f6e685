//! A full disk, refused writes, used up resources.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use types::Storage;

use super::harness::{Client, accounts_of, count, eventually, logged};
use crate::Embedded;

fn server() -> Embedded {
    Embedded::temporary_with(|options| {
        options.server_name = Some("srv".into());
        let text = "system_account: SYS, accounts {SYS: {users: [{user: sys, password: sys}]}, \
                    A: {jetstream: enabled, users: [{user: a, password: a}]}}";
        accounts_of(options, text);
    })
    .unwrap()
}

const ADVISORY: &str = "$JS.EVENT.ADVISORY.SERVER.OUT_OF_STORAGE";

#[test]
fn a_full_disk_switches_jetstream_off_and_says_so_once() {
    mark::check!(F1379, F1380, F1381);
    let server = server();
    let js = server.server();
    let mut heard = Client::login(&server, "sys");
    heard.send(&format!("SUB {ADVISORY} 2\r\n"));
    heard.ping();
    let stream = Some(("ORDERS", Storage::File));
    let ((), lines) = logged(|| {
        js.handle_out_of_space(stream);
        js.handle_out_of_space(stream);
        js.handle_out_of_space(None);
    });
    assert_eq!(lines, ["ERROR JetStream out of File resources, will be DISABLED"]);
    let (subject, body) = heard.message();
    let advisory: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(subject, ADVISORY);
    assert_eq!(advisory["type"], "io.nats.jetstream.advisory.v1.server_out_of_space");
    assert_eq!((&advisory["stream"], &advisory["server"]), (&"ORDERS".into(), &"srv".into()));
    assert_eq!(advisory["server_id"], js.id());
    assert_eq!(advisory["cluster"], "");
    assert!(advisory["domain"].is_null() && advisory["id"].is_string());
    assert!(advisory["timestamp"].as_str().unwrap().ends_with('Z'));
    eventually("switched off", || js.jetstream_engine().is_none());
    assert!(!js.jetstream_enabled());
    let ((), lines) = logged(|| js.handle_out_of_space(stream));
    assert!(lines.is_empty(), "it is off: {lines:?}");
    server.restart_jetstream();
    let ((), lines) = logged(|| js.handle_out_of_space(None));
    assert_eq!(lines, ["ERROR JetStream out of resources, will be DISABLED"]);
    let (_, body) = heard.message();
    assert!(!body.contains("\"stream\""), "one each time, without a stream: {body}");
    eventually("switched off again", || js.jetstream_engine().is_none());
}

#[test]
fn one_of_many_handles_it_and_a_new_engine_starts_afresh() {
    mark::check!(F1379, F1380, F1391, F1400);
    let server = Embedded::temporary().unwrap();
    let control = Arc::clone(&server.server().inner().jetstream);
    let first = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                if !control.out_of_space_pending() {
                    first.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(first.into_inner(), 1);
    assert!(control.out_of_space_pending());
    let mut client = Client::connect(&server);
    assert_eq!(client.api("INFO", "")["streams"], 0);
    let engine = control.engine().unwrap();
    control.set_jetstream_disabled();
    assert!(!control.is_enabled() && control.engine().is_some());
    // The API is silent at once: what comes next is the answer of the echo.
    client.send("SUB echo 9\r\nPUB $JS.API.INFO reply.1 0\r\n\r\nPUB echo 2\r\nhi\r\n");
    assert_eq!(client.message(), ("echo".to_owned(), "hi".to_owned()));
    assert!(Arc::ptr_eq(&engine, &control.engine().unwrap()));
    control.stop_now();
    control.set_jetstream_disabled();
    assert!(control.engine().is_none());
    assert!(!control.out_of_space_pending() && !control.out_of_space_pending());
    control.host.set_running(true);
    server.restart_jetstream();
    assert!(control.is_enabled());
    assert!(!control.out_of_space_pending() && control.out_of_space_pending());
}

#[test]
fn refused_writes_switch_jetstream_off() {
    mark::check!(F1451);
    let server = server();
    let js = server.server();
    let mut heard = Client::login(&server, "sys");
    heard.send("SUB $JS.EVENT.ADVISORY.> 2\r\n");
    heard.ping();
    let ((), lines) = logged(|| js.handle_write_permission_error());
    let text = "ERROR File system permission denied while writing, disabling JetStream";
    assert_eq!(count(&lines, text), 1);
    eventually("switched off", || js.jetstream_engine().is_none());
    let ((), lines) = logged(|| js.handle_write_permission_error());
    assert!(lines.is_empty(), "it is off");
    heard.send("SUB echo 9\r\nPUB echo 2\r\nhi\r\n");
    assert_eq!(heard.message().0, "echo", "no advisory came before");
}
