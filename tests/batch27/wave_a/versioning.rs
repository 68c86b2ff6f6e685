//! API levels and the metadata that carries them.
//!
//! Tests 9, 10 (jetstream_versioning_test.go) of the ledger.

use server_lifecycle::Embedded;
use tests::Raw;

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
