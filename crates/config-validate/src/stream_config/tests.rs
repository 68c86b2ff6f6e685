//! Defaults, refusals with the reference's texts, and allowed changes, as tables.

use types::{
    AccountLimits, ApiError, Discard, PersistMode, RePublish, Retention, Storage, StreamConfig,
    StreamSource, SubjectTransformConfig,
};

use super::{
    MAX_REPLICAS, StreamLimits, Strictness, check_stream_config, check_stream_create,
    check_stream_update, unsupported_feature,
};

const SECOND: i64 = 1_000_000_000;

fn plain() -> StreamConfig {
    StreamConfig { name: "S".into(), ..StreamConfig::default() }
}

fn with(change: impl FnOnce(&mut StreamConfig)) -> StreamConfig {
    let mut config = plain();
    change(&mut config);
    config
}

fn check(config: StreamConfig) -> Result<StreamConfig, ApiError> {
    check_stream_config(config, &StreamLimits::default(), Strictness::Lenient)
}

fn text(result: Result<StreamConfig, ApiError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{} {}", error.err_code, error.description),
    }
}

#[test]
fn defaults() {
    let config = check(plain()).expect("valid");
    assert_eq!(config.subjects, ["S"]);
    assert_eq!((config.max_msgs, config.max_bytes, config.max_consumers), (-1, -1, -1));
    assert_eq!((config.max_msgs_per_subject, config.max_msg_size), (-1, -1));
    assert_eq!(config.num_replicas, 1);
    assert_eq!(config.duplicate_window_ns, 120 * SECOND);
    let short = check(with(|c| c.max_age_ns = 5 * SECOND)).expect("valid");
    assert_eq!(short.duplicate_window_ns, 5 * SECOND, "never longer than messages live");
    let limits = StreamLimits { max_duplicate_window_ns: 60 * SECOND, ..StreamLimits::default() };
    let limited = check_stream_config(plain(), &limits, Strictness::Lenient).expect("valid");
    assert_eq!(limited.duplicate_window_ns, 60 * SECOND);
    let below = check(with(|c| {
        c.max_msgs = -7;
        c.max_msg_size = -2;
    }));
    let below = below.expect("valid");
    assert_eq!((below.max_msgs, below.max_msg_size), (-1, -1));
    let checked_again = check(config.clone()).expect("valid");
    assert_eq!(checked_again, config, "checking is idempotent");
}

#[test]
fn names() {
    const NAME: &str = r"10052 stream name is required and can not contain '.', '*', '>', '\', '/'";
    for name in ["", "a.b", "a*", ">", r"a\b", "a/b", "a b", "a\tb", "a\r", "a\n", "a\u{c}"] {
        assert_eq!(text(check(with(|c| c.name = name.into()))), NAME, "{name:?}");
    }
    for (len, want) in
        [(254, "ok"), (255, "ok"), (256, "10052 stream name is too long, maximum allowed is 255")]
    {
        assert_eq!(text(check(with(|c| c.name = "n".repeat(len)))), want);
    }
    for (len, want) in
        [(4096, "ok"), (4097, "10052 stream description is too long, maximum allowed is 4096")]
    {
        assert_eq!(text(check(with(|c| c.description = "d".repeat(len)))), want);
    }
    for (len, want) in
        [(131_071, "ok"), (131_072, "10052 stream metadata exceeds maximum size of 131072 bytes")]
    {
        let config = with(|c| {
            c.metadata.insert("k".into(), "v".repeat(len));
        });
        assert_eq!(text(check(config)), want, "{len}");
    }
}

#[test]
fn limits() {
    let rows: Vec<(StreamConfig, &str)> = vec![
        (with(|c| c.num_replicas = MAX_REPLICAS), "ok"),
        (with(|c| c.num_replicas = MAX_REPLICAS + 1), "10052 maximum replicas is 5"),
        (with(|c| c.num_replicas = -1), "10133 replicas count cannot be negative"),
        (with(|c| c.max_age_ns = -1), "10052 max age can not be negative"),
        (with(|c| c.max_age_ns = SECOND / 10), "ok"),
        (with(|c| c.max_age_ns = SECOND / 10 - 1), "10052 max age needs to be >= 100ms"),
        (with(|c| c.duplicate_window_ns = -1), "10052 duplicates window can not be negative"),
        (with(|c| c.duplicate_window_ns = SECOND / 10), "ok"),
        (
            with(|c| c.duplicate_window_ns = SECOND / 10 - 1),
            "10052 duplicates window needs to be >= 100ms",
        ),
        (
            with(|c| (c.max_age_ns, c.duplicate_window_ns) = (SECOND, SECOND + 1)),
            "10052 duplicates window can not be larger then max age",
        ),
        (with(|c| (c.max_age_ns, c.duplicate_window_ns) = (SECOND, SECOND)), "ok"),
    ];
    for (config, want) in rows {
        assert_eq!(text(check(config.clone())), want, "{config:?}");
    }
    let limits = StreamLimits { max_duplicate_window_ns: 90 * SECOND, ..StreamLimits::default() };
    for (window, want) in [
        (90 * SECOND, "ok"),
        (90 * SECOND + 1, "10052 duplicates window can not be larger then server limit of 1m30s"),
    ] {
        let config = with(|c| c.duplicate_window_ns = window);
        assert_eq!(text(check_stream_config(config, &limits, Strictness::Lenient)), want);
    }
}

#[test]
fn pedantic_mode_objects() {
    let rows: Vec<(StreamConfig, &str)> = vec![
        (plain(), "ok"),
        (with(|c| c.max_msgs = -2), "10157 pedantic mode: max_msgs must be set to -1"),
        (with(|c| c.max_bytes = -2), "10157 pedantic mode: max_bytes must be set to -1"),
        (with(|c| c.max_msg_size = -2), "10157 pedantic mode: max_msg_size must be set to -1"),
        (with(|c| c.max_consumers = -2), "10157 pedantic mode: max_consumers must be set to -1"),
        (
            with(|c| c.max_msgs_per_subject = -2),
            "10157 pedantic mode: max_msgs_per_subject must be set to -1",
        ),
        (
            with(|c| c.max_age_ns = SECOND),
            "10157 pedantic mode: duplicate window cannot be bigger than max age",
        ),
        (
            with(|c| c.subject_delete_marker_ttl_ns = SECOND),
            "10052 subject delete marker cannot be set if message TTLs are disabled",
        ),
        (
            with(|c| c.republish = Some(RePublish { dest: "r.>".into(), ..RePublish::default() })),
            "10157 pedantic mode: republish source can not be empty",
        ),
    ];
    for (config, want) in rows {
        let got = check_stream_config(config, &StreamLimits::default(), Strictness::Pedantic);
        assert_eq!(text(got), want);
    }
}

#[test]
fn features() {
    let rows: Vec<(StreamConfig, &str)> = vec![
        (
            with(|c| (c.deny_purge, c.allow_rollup_hdrs) = (true, true)),
            "10052 roll-ups require the purge permission",
        ),
        (
            with(|c| c.discard_new_per_subject = true),
            "10052 discard new per subject requires discard new policy to be set",
        ),
        (
            with(|c| (c.discard_new_per_subject, c.discard) = (true, Discard::New)),
            "10052 discard new per subject requires max msgs per subject > 0",
        ),
        (
            with(|c| {
                (c.discard_new_per_subject, c.discard) = (true, Discard::New);
                c.max_msgs_per_subject = 1;
            }),
            "ok",
        ),
        (
            with(|c| (c.allow_msg_counter, c.discard) = (true, Discard::New)),
            "10052 counter stream cannot use discard new",
        ),
        (
            with(|c| (c.allow_msg_counter, c.allow_msg_ttl) = (true, true)),
            "10052 counter stream cannot use message TTLs",
        ),
        (
            with(|c| (c.allow_msg_counter, c.retention) = (true, Retention::WorkQueue)),
            "10052 counter stream can only use limits retention",
        ),
        (
            with(|c| c.subject_delete_marker_ttl_ns = -1),
            "10052 subject delete marker TTL must not be negative",
        ),
        (
            with(|c| c.subject_delete_marker_ttl_ns = SECOND - 1),
            "10052 subject delete marker TTL must be at least 1 second",
        ),
        (
            with(|c| (c.persist_mode, c.storage) = (PersistMode::Async, Storage::Memory)),
            "10052 async persist mode is only supported on file storage",
        ),
        (
            with(|c| (c.persist_mode, c.num_replicas) = (PersistMode::Async, 3)),
            "10052 async persist mode is not supported on replicated streams",
        ),
        (
            with(|c| (c.persist_mode, c.allow_atomic) = (PersistMode::Async, true)),
            "10052 async persist mode is not supported with atomic batch publish",
        ),
    ];
    for (config, want) in rows {
        assert_eq!(text(check(config)), want);
    }
    let marked = check(with(|c| c.subject_delete_marker_ttl_ns = SECOND)).expect("valid");
    assert!(marked.allow_msg_ttl && marked.allow_rollup_hdrs && !marked.deny_purge);
}

#[test]
fn subjects() {
    let rows: &[(&[&str], bool, &str)] = &[
        (&["a", "b.>"], false, "ok"),
        (&["a..b"], false, "10052 invalid subject"),
        (&["a b"], false, "10052 invalid subject"),
        (&[""], false, "10052 invalid subject"),
        // A duplicate collides with itself before it is seen as one.
        (&["a", "a"], false, r#"10052 subject "a" overlaps with "a""#),
        (&["a.*", "a.b"], false, r#"10052 subject "a.*" overlaps with "a.b""#),
        (&[">"], false, "10052 capturing all subjects requires no-ack to be true"),
        (&[">"], true, "ok"),
        (
            &["$JS.API.>"],
            false,
            "10052 subjects that overlap with jetstream api require no-ack to be true",
        ),
        (
            &["*.API.x"],
            false,
            "10052 subjects that overlap with jetstream api require no-ack to be true",
        ),
        (&["$JS.API.>"], true, "ok"),
        (&["$JS.EVENT.ADVISORY.>"], false, "ok"),
        (
            &["$SYS.>"],
            false,
            "10052 subjects that overlap with system api require no-ack to be true",
        ),
        (&["$SYS.ACCOUNT.>"], false, "ok"),
        (&["$KV.b.>"], false, "ok"),
    ];
    for (subjects, no_ack, want) in rows {
        let config = with(|c| {
            c.subjects = subjects.iter().map(|s| (*s).to_owned()).collect();
            c.no_ack = *no_ack;
        });
        assert_eq!(text(check(config)), *want, "{subjects:?}");
    }
    let replicated = with(|c| {
        (c.subjects, c.no_ack, c.num_replicas) = (vec![">".into()], true, 3);
    });
    assert_eq!(text(check(replicated)), "10052 capturing all subjects requires replicas of 1");
}

#[test]
fn transforms() {
    let transform =
        |src: &str, dest: &str| Some(SubjectTransformConfig { src: src.into(), dest: dest.into() });
    let republish = |src: &str, dest: &str| {
        Some(RePublish { src: src.into(), dest: dest.into(), headers_only: false })
    };
    let got = check(with(|c| c.subject_transform = transform("a..b", "c")));
    assert_eq!(text(got), "10155 stream transform source: invalid subject a..b");
    let got = check(with(|c| c.subject_transform = transform("a.*", "c.{{wildcard(2)}}")));
    assert_eq!(got.expect_err("no second wildcard").err_code, 10156);
    assert_eq!(text(check(with(|c| c.subject_transform = transform("S", "T")))), "ok");
    let got = check(with(|c| c.republish = republish("", "S")));
    assert_eq!(text(got), "10052 stream configuration for republish destination forms a cycle");
    let got = check(with(|c| c.republish = republish("a.*", "b.{{wildcard(2)}}")));
    assert_eq!(
        text(got),
        "10052 stream configuration for republish with transform from 'a.*' to \
         'b.{{wildcard(2)}}' not valid"
    );
    let filled = check(with(|c| c.republish = republish("", "r.>"))).expect("valid");
    assert_eq!(filled.republish.map(|r| r.src), Some(">".to_owned()));
}

#[test]
fn accounts_may_bound_max_bytes() {
    let account = AccountLimits {
        max_bytes_required: true,
        memory_max_stream_bytes: 10,
        storage_max_stream_bytes: 20,
        ..AccountLimits::UNLIMITED
    };
    let limits = StreamLimits { account, ..StreamLimits::default() };
    for (storage, max_bytes, want) in [
        (Storage::File, 0, "10113 account requires a stream config to have max bytes set"),
        (Storage::File, 20, "ok"),
        (Storage::File, 21, "10122 stream max bytes exceeds account limit max stream bytes"),
        (Storage::Memory, 10, "ok"),
        (Storage::Memory, 11, "10122 stream max bytes exceeds account limit max stream bytes"),
        (
            Storage::Memory,
            i64::MAX,
            "10122 stream max bytes exceeds account limit max stream bytes",
        ),
    ] {
        let config = with(|c| (c.storage, c.max_bytes) = (storage, max_bytes));
        assert_eq!(text(check_stream_config(config, &limits, Strictness::Lenient)), want);
    }
}

#[test]
fn only_new_streams_may_not_be_sealed() {
    let sealed = check_stream_create(&with(|c| c.sealed = true)).expect_err("sealed");
    assert_eq!(sealed.description, "stream configuration for create can not be sealed");
    let direct = check_stream_create(&with(|c| c.mirror_direct = true)).expect_err("no mirror");
    assert_eq!(direct.description, "stream has no mirror but does have mirror direct");
    check_stream_create(&plain()).expect("plain");
}

#[test]
fn updates() {
    type Change = fn(&mut StreamConfig);
    let rows: &[(Change, Change, &str)] = &[
        (|_| {}, |_| {}, "ok"),
        (|_| {}, |c| c.max_msgs = 5, "ok"),
        (|_| {}, |c| c.name = "T".into(), "10052 stream configuration name must match original"),
        (
            |_| {},
            |c| c.storage = Storage::Memory,
            "10052 stream configuration update can not change storage type",
        ),
        (|_| {}, |c| c.retention = Retention::Interest, "ok"),
        (
            |_| {},
            |c| c.retention = Retention::WorkQueue,
            "10052 stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            |c| c.retention = Retention::WorkQueue,
            |c| c.retention = Retention::Limits,
            "10052 stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            |c| c.sealed = true,
            |c| c.sealed = false,
            "10052 stream configuration update can not unseal a sealed stream",
        ),
        (
            |c| c.deny_delete = true,
            |c| c.deny_delete = false,
            "10052 stream configuration update can not cancel deny message deletes",
        ),
        (
            |c| c.deny_purge = true,
            |c| c.deny_purge = false,
            "10052 stream configuration update can not cancel deny purge",
        ),
        (
            |_| {},
            |c| {
                c.subjects.clear();
                c.mirror = Some(StreamSource { name: "O".into(), ..StreamSource::default() });
            },
            "10055 stream mirror configuration can not be updated",
        ),
        (
            |c| c.allow_msg_ttl = true,
            |c| c.allow_msg_ttl = false,
            "10052 message TTL status can not be disabled",
        ),
        (
            |_| {},
            |c| c.allow_msg_counter = true,
            "10052 stream configuration update can not change message counter setting",
        ),
        (
            |c| c.allow_msg_schedules = true,
            |c| c.allow_msg_schedules = false,
            "10052 message schedules can not be disabled",
        ),
        (
            |_| {},
            |c| c.persist_mode = PersistMode::Async,
            "10052 stream configuration update can not change persist mode",
        ),
    ];
    for (i, (before, after, want)) in rows.iter().enumerate() {
        let mut old = check(plain()).expect("valid");
        before(&mut old);
        let mut new = old.clone();
        after(&mut new);
        let got = check_stream_update(&old, new, &StreamLimits::default(), Strictness::Lenient);
        assert_eq!(text(got), *want, "row {i}");
    }
}

#[test]
fn sealing_closes_every_door() {
    let old = check(with(|c| (c.max_age_ns, c.allow_rollup_hdrs) = (SECOND, true))).expect("ok");
    let new = StreamConfig { sealed: true, ..old.clone() };
    let sealed = check_stream_update(&old, new, &StreamLimits::default(), Strictness::Lenient)
        .expect("allowed");
    assert!(sealed.sealed && sealed.deny_delete && sealed.deny_purge);
    assert!(!sealed.allow_rollup_hdrs);
    assert_eq!((sealed.max_age_ns, sealed.discard), (0, Discard::New));
}

#[test]
fn what_is_not_there_yet_is_named() {
    assert_eq!(unsupported_feature(&plain()), None);
    let consumer = Some(types::StreamConsumerSource::default());
    let mirror = with(|c| c.mirror = Some(StreamSource { consumer, ..StreamSource::default() }));
    assert_eq!(unsupported_feature(&mirror), Some("consumer"));
    assert_eq!(unsupported_feature(&with(|c| c.allow_batched = true)), Some("allow_batched"));
}
