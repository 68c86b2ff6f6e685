//! Writes that the disk refuses.
//!
//! Tests 64, 65 (jetstream_test.go) of the ledger.

use std::path::{Path, PathBuf};

use config_validate::options::StoreKey;
use monitor::HealthzOptions;
use serde_json::{Value, json};

use crate::basic::Basic;

/// The block files of a stream, by number.
fn blocks(stream: &Path) -> Vec<PathBuf> {
    let mut blocks: Vec<(u32, PathBuf)> = std::fs::read_dir(stream.join("msgs"))
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?;
            Some((name.strip_suffix(".blk")?.parse().ok()?, path))
        })
        .collect();
    blocks.sort();
    blocks.into_iter().map(|(_, path)| path).collect()
}

/// Bytes that do not compress, the same each time.
fn noise(len: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from(state % 64).unwrap())
    };
    (0..len).map(|_| letter()).collect()
}

#[test]
fn jetstream_meta_data_fail_on_kernel_fault() {
    for key in [None, Some(StoreKey("s3cr3t!!".to_owned()))] {
        let mut server = Basic::start_with(|options| options.jetstream.key = key.clone());
        let mut client = server.client();
        let config = json!({"name": "TEST", "subjects": ["foo"]});
        client.check_create(&config);
        client.check_publish_many("foo", "", "OK", 10);
        client.check_state("TEST", 10, 1, 10);
        // The configuration is written twice here: the other one is taken.
        server.stop();
        let dir = server.stream_dir("TEST");
        let cut = |name: &str| std::fs::write(dir.join(name), "");
        cut("meta.inf").expect("it is cut");
        cut("meta.sum").expect("it is cut");
        server.start_again();
        let health = |server: &Basic| server.server().monitor().healthz(&HealthzOptions::default());
        assert_eq!(health(&server).status, "ok");
        server.client().check_state("TEST", 10, 1, 10);
        // Without it, which is what the reference leaves behind, nobody knows the stream any more.
        server.stop();
        cut("meta.inf").expect("it is cut");
        cut("meta.sum").expect("it is cut");
        std::fs::remove_file(dir.join("meta.copy")).expect("it is removed");
        server.start_again();
        let mut client = server.client();
        let answer = client.ask("STREAM.INFO.TEST", &Value::Null);
        assert!(answer["error"].is_object(), "{answer}");
        let unhealthy = health(&server);
        assert_eq!(unhealthy.status, "unavailable");
        assert_eq!(unhealthy.error, "JetStream stream '$G > TEST' could not be recovered");
        // Whoever gives it a configuration again has its messages again.
        let mut memory = config.clone();
        memory["storage"] = json!("memory");
        client.check_refused("STREAM.CREATE.TEST", &memory, 10058);
        client.check_create(&config);
        client.check_state("TEST", 10, 1, 10);
        assert_eq!(health(&server).status, "ok");
        client.check_ok("STREAM.MSG.GET.TEST", &json!({"seq": 1}));
        server.restart();
        let mut client = server.client();
        client.check_state("TEST", 10, 1, 10);
        assert_eq!(client.check_publish("foo", "OK"), 11);
        let usage = client.check_ok("INFO", &Value::Null);
        assert_eq!(usage["storage"], client.check_info("TEST")["state"]["bytes"], "{usage}");
        assert_eq!(usage["streams"], 1, "{usage}");
    }
}

#[test]
fn jetstream_msg_blk_fail_on_kernel_fault() {
    const MAX_BYTES: u64 = 10 << 20;
    let mut server = Basic::start();
    let mut client = server.client();
    let config = json!({"name": "TEST", "subjects": ["foo"], "max_bytes": MAX_BYTES});
    client.check_create(&config);
    let payload = noise(1 << 20, 1);
    client.check_publish_many("foo", "", &payload, 20);
    let info = client.check_info("TEST");
    assert!(info["state"]["bytes"].as_u64().expect("a number") < MAX_BYTES, "{info}");
    client.check_state("TEST", 9, 12, 20);
    let files = blocks(&server.stream_dir("TEST"));
    assert!(files.len() > 2, "{files:?}");
    server.stop();
    std::fs::remove_file(&files[files.len() - 2]).expect("the block before the last");
    server.start_again();
    let mut client = server.client();
    client.check_refused("STREAM.MSG.GET.TEST", &json!({"seq": 17}), 10037);
    client.check_ok("STREAM.MSG.GET.TEST", &json!({"seq": 15}));
    client.check_ok("STREAM.MSG.GET.TEST", &json!({"seq": 19}));
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["num_deleted"], 3, "{info}");
    let info = client.check_ok("STREAM.INFO.TEST", &json!({"deleted_details": true}));
    assert_eq!(info["state"]["num_deleted"], 3, "{info}");
    assert_eq!(info["state"]["deleted"], json!([16, 17, 18]), "{info}");
    client.check_publish_many("foo", "", &payload, 20);
    let info = client.check_info("TEST");
    assert!(info["state"]["bytes"].as_u64().expect("a number") <= MAX_BYTES, "{info}");
    client.check_state("TEST", 9, 32, 40);
}
