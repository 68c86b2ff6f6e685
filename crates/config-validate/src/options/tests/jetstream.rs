//! The `jetstream` block.

use super::*;

fn jetstream(block: &str) -> JetStreamOptions {
    options(&format!("jetstream {{{block}}}")).jetstream
}

#[test]
fn ways_of_turning_it_on_and_off() {
    for (text, on) in [
        ("jetstream: true", true),
        ("jetstream: false", false),
        ("jetstream: enabled", true),
        ("jetstream: ENABLE", true),
        ("jetstream: disabled", false),
        ("jetstream: Disable", false),
        ("jetstream {}", true),
        ("jetstream {enabled: false}", false),
        ("jetstream {enable: true}", true),
    ] {
        assert_eq!(options(text).jetstream.enabled, on, "{text}");
    }
    check_errors(&[
        ("jetstream: maybe", "1:0: Expected 'enabled' or 'disabled' for string value, got 'maybe'"),
        ("jetstream: 1", "1:0: Expected map, bool or string to define JetStream, got int64"),
        (
            "jetstream: [1]",
            "1:0: Expected map, bool or string to define JetStream, got []interface {}",
        ),
    ]);
}

#[test]
fn sizes_as_numbers_and_as_text() {
    for (value, size) in [
        ("1K", 1000),
        ("\"1K\"", 1024),
        ("1KB", 1024),
        ("\"2M\"", 2 << 20),
        ("\"3G\"", 3 << 30),
        ("\"4T\"", 4 << 40),
        ("\"\"", 0),
        ("0", 0),
        ("-1", -1),
    ] {
        for key in ["max_memory_store", "max_mem_store", "max_mem"] {
            let found = jetstream(&format!("{key}: {value}")).max_memory;
            assert_eq!(found, Some(size), "{key} {value}");
        }
        for key in ["max_file_store", "max_file"] {
            let found = jetstream(&format!("{key}: {value}")).max_store;
            assert_eq!(found, Some(size), "{key} {value}");
        }
    }
    check_errors(&[
        (
            "jetstream {max_mem: \"1X\"}",
            "1:11: max_mem_store sizes defined as strings must end in K, M, G, T",
        ),
        (
            "jetstream {max_file: \"1k\"}",
            "1:11: max_file_store sizes defined as strings must end in K, M, G, T",
        ),
        ("jetstream {max_file: true}", "1:11: max_file_store must be int64 or string"),
        (
            "jetstream {max_file: xK}",
            "1:11: max_file_store strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            "jetstream {max_outstanding_catchup: x}",
            "1:11: max_outstanding_catchup strconv.ParseInt: parsing \"\": invalid syntax",
        ),
    ]);
}

#[test]
fn all_keys() {
    let o = jetstream(
        "strict: false, domain: hub, key: k1, prev_ek: k2, cipher: AES, extension_hint: No_Extend, \
         unique_tag: ' AZ:1 ', max_outstanding_catchup: 8MB, max_buffered_size: \"1M\", \
         max_buffered_msgs: 7, request_queue_limit: 5, meta_compact: 3, meta_compact_size: 1k, \
         meta_compact_sync: true",
    );
    assert!(!o.strict && o.meta_compact_sync);
    assert_eq!(o.domain.as_deref(), Some("hub"));
    assert_eq!(o.key, Some(StoreKey("k1".into())));
    assert_eq!(o.prev_key, Some(StoreKey("k2".into())));
    assert_eq!((o.cipher, o.extension_hint.as_str()), (Cipher::Aes, "No_Extend"));
    assert_eq!(o.unique_tag.as_deref(), Some("az:1"));
    assert_eq!(o.max_outstanding_catchup, Some(8 << 20));
    assert_eq!((o.max_buffered_size, o.max_buffered_msgs), (1 << 20, 7));
    assert_eq!((o.request_queue_limit, o.info_queue_limit), (5, 5));
    assert_eq!((o.meta_compact, o.meta_compact_size), (3, 1000));
    let o = jetstream("request_queue_limit: 0, info_queue_limit: 9");
    assert_eq!((o.request_queue_limit, o.info_queue_limit), (10_000, 9));
    assert!(!format!("{:?}", jetstream("key: secret")).contains("secret"));
}

#[test]
fn sync_interval() {
    let sync = |value: &str| jetstream(&format!("sync_interval: {value}")).sync;
    let seconds = Duration::from_secs;
    assert_eq!(sync("always"), SyncPolicy { interval: seconds(120), always: true, relaxed: false });
    assert_eq!(sync("ALWAYS"), SyncPolicy { interval: seconds(120), always: true, relaxed: false });
    assert_eq!(sync("10s"), SyncPolicy { interval: seconds(10), always: false, relaxed: true });
    assert_eq!(sync("10"), SyncPolicy { interval: seconds(10), always: false, relaxed: true });
    assert_eq!(sync("'0s'"), SyncPolicy { interval: seconds(0), always: false, relaxed: true });
    assert_eq!(options("jetstream {sync: 10}").warnings.len(), 1);
    assert_eq!(
        error("jetstream {sync: x}"),
        "1:11: error parsing sync: time: invalid duration \"x\""
    );
}

#[test]
fn limits() {
    let limits = jetstream(
        "limits {max_ack_pending: 1, max_ha_assets: 2, max_request_batch: 3, \
         duplicate_window: 4s, batch {max_inflight_per_stream: 5, max_inflight_total: 6, \
         max_msgs: 7, timeout: 8s}}",
    )
    .limits;
    assert_eq!((limits.max_ack_pending, limits.max_ha_assets), (1, 2));
    assert_eq!((limits.max_request_batch, limits.duplicate_window), (3, Duration::from_secs(4)));
    let batch = limits.batch;
    assert_eq!((batch.max_inflight_per_stream, batch.max_inflight_total), (5, 6));
    assert_eq!((batch.max_msgs, batch.timeout), (7, Duration::from_secs(8)));
}

#[test]
fn what_each_key_refuses() {
    check_errors(&[
        ("jetstream {strict: 1}", "1:11: Expected 'true' or 'false' for bool value, got '1'"),
        ("jetstream {cipher: des}", "1:11: Unknown cipher type: \"des\""),
        (
            "jetstream {max_buffered_msgs: x}",
            "1:11: Expected a parseable size for \"max_buffered_msgs\", got x",
        ),
        (
            "jetstream {request_queue_limit: true}",
            "1:11: Expected a parseable size for \"request_queue_limit\", got true",
        ),
        (
            "jetstream {meta_compact: -1}",
            "1:11: Expected an absolute size for \"meta_compact\", got -1",
        ),
        (
            "jetstream {meta_compact: x}",
            "1:11: Expected an absolute size for \"meta_compact\", got x",
        ),
        (
            "jetstream {meta_compact_size: -5}",
            "1:11: Expected an absolute size for \"meta_compact_size\", got -5",
        ),
        ("jetstream {limits: 1}", "1:11: Expected a map to define JetStreamLimits, got int64"),
        ("jetstream {limits {batch: 1}}", "1:19: Expected a map to define batch limits, got int64"),
        ("jetstream {tpm: 1}", "1:11: Expected a map to define JetStreamLimits, got int64"),
        ("jetstream {limits {duplicate_window: x}}", "1:19: time: invalid duration \"x\""),
        ("jetstream {domain: 1}", "1:11: interface conversion: interface {} is int64, not string"),
        ("jetstream {max_memory: 1}", "1:11: unknown field \"max_memory\""),
        ("default_js_domain: 1", "1:0: error default_js_domain config: unsupported type int64"),
    ]);
}

#[test]
fn one_store_directory_only() {
    for key in ["store_dir", "storedir"] {
        assert_eq!(options(&format!("{key}: /a")).store_dir, Some("/a".into()));
    }
    for key in ["store_dir", "storedir", "store"] {
        let text = format!("jetstream {{{key}: /a}}");
        assert_eq!(options(&text).store_dir, Some("/a".into()), "{text}");
    }
    check_errors(&[
        ("jetstream {store_dir: /a}\nstore_dir: /b", "2:1: Duplicate 'store_dir' configuration"),
        ("store_dir: /a\njetstream {store: /b}", "2:12: Duplicate 'store_dir' configuration"),
    ]);
}
