//! The JSON of every type, against what nats-server 2.14 writes.

use std::collections::HashSet;

use crate::advisory::{Action, Advisory};
use crate::api::{ConsumerCreateRequest, PubAck, Reply, StoredMsg, reply_type};
use crate::{
    ApiError, ConsumerConfig, StreamConfig, StreamConfigRequest, StreamInfo, Timestamp, errors,
};

/// Written by nats-server 2.14 for a stream created with a name and one subject.
const STREAM: &str = r#"{"name":"TEST","subjects":["foo"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"compression":"none","allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false}"#;

/// Written by nats-server 2.14 for a durable with explicit acks.
const CONSUMER: &str = r#"{"durable_name":"dlc","deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"num_replicas":0}"#;

#[test]
fn configurations_are_written_byte_for_byte_as_they_were_read() {
    let stream: StreamConfig = serde_json::from_str(STREAM).unwrap();
    assert_eq!((stream.max_msgs, stream.duplicate_window_ns), (-1, 120_000_000_000));
    assert_eq!(serde_json::to_string(&stream).unwrap(), STREAM);
    let consumer: ConsumerConfig = serde_json::from_str(CONSUMER).unwrap();
    assert!(consumer.is_durable() && consumer.is_pull());
    assert_eq!(serde_json::to_string(&consumer).unwrap(), CONSUMER);
}

#[test]
fn unknown_fields_and_values_are_refused_and_null_lists_are_empty() {
    let read = |text: &str| serde_json::from_str::<StreamConfigRequest>(text);
    assert!(read(r#"{"name":"S","nonsense":1}"#).is_err());
    assert!(read(r#"{"name":"S","retention":"forever"}"#).is_err());
    let read =
        read(r#"{"name":"S","subjects":null,"sources":null,"metadata":null,"pedantic":true}"#);
    let request = read.unwrap();
    assert!(request.pedantic && request.config.subjects.is_empty());
    let consumer = r#"{"stream_name":"S","config":{"ack_policy":"explicit"},"action":"replace"}"#;
    assert!(serde_json::from_str::<ConsumerCreateRequest>(consumer).is_err());
}

#[test]
fn times_are_rfc_3339_without_trailing_zeros() {
    for (ns, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000_763_736_206, "2023-11-14T22:13:20.763736206Z"),
        (1_700_000_000_120_000_000, "2023-11-14T22:13:20.12Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
    ] {
        assert_eq!(Timestamp::from_unix_ns(ns).to_string(), text);
        assert_eq!(text.parse(), Ok(Timestamp::from_unix_ns(ns)));
    }
    assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
    assert_eq!("0001-01-01T00:00:00Z".parse(), Ok(Timestamp::ZERO));
    assert_eq!(
        "2023-11-14T23:13:20+01:00".parse(),
        Ok(Timestamp::from_unix_ns(1_700_000_000_000_000_000))
    );
    for bad in ["", "yesterday", "2023-11-14", "2023-13-14T00:00:00Z", "9999-01-01T00:00:00Z"] {
        assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
    }
}

#[test]
fn the_error_table_has_every_number_once_and_fills_its_placeholders() {
    let mut numbers = HashSet::new();
    assert!(errors::ALL.iter().all(|def| numbers.insert(def.err_code)));
    assert_eq!(errors::ALL.len(), 222);
    let error = errors::STREAM_WRONG_LAST_SEQUENCE.with(7);
    assert_eq!(error.to_string(), "wrong last sequence: 7 (10071)");
    let both = errors::STREAM_EXTERNAL_API_OVERLAP.with_all(&[&"a.b", &"c"]);
    assert_eq!(both.description, "stream external api prefix a.b must not overlap with c");
    let bare = ApiError { code: 503, err_code: 0, description: String::new() };
    assert_eq!(serde_json::to_string(&bare).unwrap(), r#"{"code":503}"#);
}

#[test]
fn replies_start_with_their_type() {
    let failed = Reply::<StreamInfo>::failed(reply_type::STREAM_INFO, errors::STREAM_NOT_FOUND);
    insta::assert_snapshot!(
        serde_json::to_string(&failed).unwrap(),
        @r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#
    );
    let ack = PubAck { stream: "S".into(), seq: 3, duplicate: true, ..PubAck::default() };
    insta::assert_snapshot!(
        serde_json::to_string(&ack).unwrap(),
        @r#"{"stream":"S","seq":3,"duplicate":true}"#
    );
    let stored = StoredMsg {
        subject: "s".into(),
        sequence: 1,
        headers: Vec::new(),
        data: b"hello".to_vec(),
        time: Timestamp::from_unix_ns(1),
    };
    insta::assert_snapshot!(
        serde_json::to_string(&stored).unwrap(),
        @r#"{"subject":"s","seq":1,"data":"aGVsbG8=","time":"1970-01-01T00:00:00.000000001Z"}"#
    );
}

#[test]
fn advisories_have_their_envelope_and_subject() {
    let advisory = Advisory::MaxDeliver {
        stream: "S".into(),
        consumer: "C".into(),
        stream_seq: 4,
        deliveries: 5,
        domain: String::new(),
    };
    assert_eq!(advisory.subject(), "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C");
    insta::assert_snapshot!(
        String::from_utf8(advisory.to_json("ID", Timestamp::from_unix_ns(0))).unwrap(),
        @r#"{"type":"io.nats.jetstream.advisory.v1.max_deliver","id":"ID","timestamp":"1970-01-01T00:00:00Z","stream":"S","consumer":"C","stream_seq":4,"deliveries":5}"#
    );
    let advisory =
        Advisory::StreamAction { stream: "S".into(), action: Action::Modify, domain: "HUB".into() };
    assert_eq!(advisory.subject(), "$JS.EVENT.ADVISORY.STREAM.UPDATED.S");
    insta::assert_snapshot!(
        String::from_utf8(advisory.to_json("ID", Timestamp::from_unix_ns(0))).unwrap(),
        @r#"{"type":"io.nats.jetstream.advisory.v1.stream_action","id":"ID","timestamp":"1970-01-01T00:00:00Z","stream":"S","action":"modify","domain":"HUB"}"#
    );
}
