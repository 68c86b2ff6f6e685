//! API levels and the metadata that carries them.
//!
//! Tests 9, 10 (jetstream_versioning_test.go) of the ledger.

use serde_json::{Value, json};
use server_lifecycle::Embedded;
use store::ArchiveWriter;
use tests::{Basic, Raw};

/// All subjects of the API, as the reference subscribes to them.
const API_SUBJECTS: [&str; 24] = [
    "INFO",
    "STREAM.CREATE.*",
    "STREAM.UPDATE.*",
    "STREAM.NAMES",
    "STREAM.LIST",
    "STREAM.INFO.*",
    "STREAM.DELETE.*",
    "STREAM.PURGE.*",
    "STREAM.SNAPSHOT.*",
    "STREAM.RESTORE.*",
    "STREAM.PEER.REMOVE.*",
    "STREAM.LEADER.STEPDOWN.*",
    "STREAM.MSG.DELETE.*",
    "STREAM.MSG.GET.*",
    "CONSUMER.LEADER.STEPDOWN.*.*",
    "CONSUMER.CREATE.*",
    "CONSUMER.CREATE.*.>",
    "CONSUMER.DURABLE.CREATE.*.*",
    "CONSUMER.NAMES.*",
    "CONSUMER.LIST.*",
    "CONSUMER.INFO.*.*",
    "CONSUMER.DELETE.*.*",
    "CONSUMER.PAUSE.*.*",
    "CONSUMER.UNPIN.*.*",
];

#[test]
fn jetstream_api_error_on_required_api_level() {
    let server = Embedded::temporary().unwrap();
    let mut client = Raw::connect_port(server.client_addr().port());
    client.send("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n");
    client.sync();
    assert_eq!(API_SUBJECTS.len(), 24);
    let headers = "NATS/1.0\r\nNats-Required-Api-Level: 9223372036854775807\r\n\r\n";
    client.send("SUB answer 1\r\n");
    for subject in API_SUBJECTS {
        let size = headers.len();
        client.send(format!("HPUB $JS.API.{subject} answer {size} {size}\r\n{headers}\r\n"));
        let (status, body) = client.message();
        assert_eq!(status, "", "{subject} has somebody who answers");
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let error = &answer["error"];
        assert!(error.is_object(), "{subject}: {body}");
        let clustered = [".STEPDOWN.", ".PEER."].iter().any(|part| subject.contains(part));
        let (code, number, text) = match clustered {
            true => (503, 10010, "JetStream clustering support required"),
            false => (412, 10185, "JetStream minimum api level required"),
        };
        assert_eq!(error["code"], code, "{subject}: {body}");
        assert_eq!(error["err_code"], number, "{subject}: {body}");
        assert_eq!(error["description"], text, "{subject}: {body}");
    }
    assert_eq!(client.sync(), [""; 0], "each is answered once");
}

/// A stream's configuration and nothing else, as a snapshot.
fn snapshot_of(config: &Value) -> Vec<u8> {
    let mut archive = ArchiveWriter::new(Vec::new(), 0);
    let meta = config.to_string();
    archive.add("meta.inf", meta.as_bytes()).unwrap();
    archive.finish().unwrap()
}

#[test]
fn jetstream_metadata_stream_restore_and_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    let config =
        json!({"name": "STREAM", "retention": "limits", "storage": "file", "num_replicas": 1});
    let answer = client.check_api("$JS.API.STREAM.RESTORE.STREAM", &json!({"config": config}));
    let subject = answer["deliver_subject"].as_str().expect("where to send it").to_owned();
    let reply = client.request_bytes(&subject, &snapshot_of(&config));
    assert_eq!(reply, "", "no error");
    let created = client.check_api(&subject, &Value::Null);
    assert_eq!(created["type"], "io.nats.jetstream.api.v1.stream_create_response");
    let level = types::API_LEVEL.to_string();
    let metadata = json!({"_nats.ver": client.info["version"], "_nats.level": level});
    assert_eq!(created["config"]["metadata"], metadata, "{created}");
    let info = client.check_api("$JS.API.STREAM.INFO.STREAM", &Value::Null);
    assert_eq!(info["config"]["metadata"], metadata, "{info}");
    let meta = server.store_dir().join("$G/streams/STREAM/meta.inf");
    let stored = std::fs::read_to_string(meta).expect("the stream is on disk");
    assert!(!stored.contains("_nats.ver"), "what the server adds is not stored: {stored}");
    assert!(!stored.contains("_nats.level"), "what the server adds is not stored: {stored}");
    let before = server.store_dir();
    drop(client);
    server.restart();
    assert_eq!(server.store_dir(), before, "on the same store");
    let mut client = server.client();
    let info = client.check_api("$JS.API.STREAM.INFO.STREAM", &Value::Null);
    assert_eq!(info["config"]["metadata"], metadata, "{info}");
}
