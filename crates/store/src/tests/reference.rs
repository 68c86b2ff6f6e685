//! The reference server opens what this store wrote. Needs its binary: `NATS_SERVER_REFERENCE`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use env::OsDisk;
use serde_json::Value;
use types::{AckPolicy, Compression, ConsumerConfig, SequencePair, StreamConfig};

use super::{at, config, msg, put};
use crate::*;

/// A running reference server, killed when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(binary: &str, dir: &Path) -> Server {
        Server::start_with(binary, dir, None)
    }

    #[allow(clippy::zombie_processes, reason = "waited for when dropped; a panic ends the test")]
    fn start_with(binary: &str, dir: &Path, encryption: Option<&str>) -> Server {
        let log = dir.join("server.log");
        let config = dir.join("server.conf");
        // Flags win over the file, which only names the key.
        let text = encryption.map_or(String::new(), |keys| format!("jetstream {{ {keys} }}"));
        std::fs::write(&config, text).unwrap();
        let child = Command::new(binary)
            .arg("-c")
            .arg(&config)
            .args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"])
            .arg(dir)
            .arg("--ports_file_dir")
            .arg(dir)
            .arg("-l")
            .arg(&log)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let suffix = format!("_{}.ports", child.id());
        loop {
            assert!(Instant::now() < deadline, "{:?}", std::fs::read_to_string(&log));
            let ports = std::fs::read_dir(dir).unwrap().find_map(|entry| {
                let path = entry.unwrap().path();
                path.to_str().unwrap().ends_with(&suffix).then_some(path)
            });
            if let Some(ports) = ports
                && let Ok(ports) = std::fs::read(&ports)
                && let Ok(ports) = serde_json::from_slice::<Value>(&ports)
                && let Some(url) = ports["nats"][0].as_str()
            {
                let port = url.rsplit(':').next().unwrap().parse().unwrap();
                return Server { child, port };
            }
            std::thread::yield_now();
        }
    }

    /// Sends a request and reads one reply.
    fn request(&self, subject: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(
            stream,
            "CONNECT {{\"verbose\":false}}\r\nSUB reply 1\r\nPUB {subject} reply {}\r\n{body}\r\n",
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        loop {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "closed");
            if let Some(rest) = line.strip_prefix("MSG ") {
                let len = rest.trim().rsplit(' ').next().unwrap().parse().unwrap();
                let mut body = vec![0; len];
                reader.read_exact(&mut body).unwrap();
                return serde_json::from_slice(&body).unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn message(server: &Server, stream: &str, seq: u64) -> Value {
    let subject = format!("$JS.API.STREAM.MSG.GET.{stream}");
    server.request(&subject, &format!("{{\"seq\":{seq}}}"))
}

/// Fills a stream with everything that leaves a mark in the format.
fn fill(store: &mut dyn StreamStore) {
    for number in 1..=300 {
        put(store, &format!("s.{}", number % 7), &format!("payload {number}"), number);
        if number % 50 == 0 {
            store.flush(Durability::Synced).unwrap();
        }
    }
    let headers: &[u8] = b"NATS/1.0\r\nKind: test\r\n\r\n";
    store.append(NewMsg { headers, ..msg("h", "with headers", 301) }, &mut |_| {}).unwrap();
    for seq in [1, 2, 10, 150, 151, 299] {
        // Some are gone by a limit already.
        store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
    }
    store.remove(200, Erase::Overwrite, &mut |_| {}).unwrap();
    let purge = Purge { filter: Filter::any_of(["s.3"]), below_seq: 100, keep: 0 };
    store.purge(&purge, &mut |_| {}).unwrap();
    store.purge(&Purge { below_seq: 40, ..Purge::default() }, &mut |_| {}).unwrap();
    store.flush(Durability::Synced).unwrap();
    let meta = ConsumerMeta {
        name: "c".to_owned(),
        created: at(5),
        config: ConsumerConfig {
            durable_name: "c".to_owned(),
            name: "c".to_owned(),
            ack_policy: AckPolicy::Explicit,
            ack_wait_ns: 3_600_000_000_000,
            max_deliver: -1,
            max_waiting: 512,
            max_ack_pending: 1000,
            ..ConsumerConfig::default()
        },
    };
    let mut consumer = store.create_consumer(&meta, &ConsumerState::default()).unwrap();
    let pending = |stream_seq, consumer_seq| PendingAck {
        stream_seq,
        consumer_seq,
        delivered: types::Timestamp::from_unix_ns(env::Clock::wall_ns(&env::OsClock)),
    };
    let state = ConsumerState {
        delivered: SequencePair { consumer: 20, stream: 210 },
        ack_floor: SequencePair { consumer: 10, stream: 201 },
        pending: vec![pending(202, 11), pending(210, 20)],
        redelivered: vec![(202, 1)],
    };
    consumer.save(&state, Durability::Synced).unwrap();
}

fn compare(server: &Server, store: &mut dyn StreamStore) {
    let body = "{\"deleted_details\":true,\"subjects_filter\":\">\"}";
    let info = server.request("$JS.API.STREAM.INFO.S", body);
    let state: types::StreamState = serde_json::from_value(info["state"].clone())
        .unwrap_or_else(|error| panic!("{error}: {info}"));
    let totals = store.totals();
    assert_eq!(
        (state.msgs, state.bytes, state.first_seq, state.last_seq),
        (totals.msgs, totals.bytes, totals.first_seq, totals.last_seq)
    );
    assert_eq!((state.first_ts, state.last_ts), (totals.first_ts, totals.last_ts));
    assert_eq!(state.deleted, store.deleted(usize::MAX));
    let mut subjects = std::collections::BTreeMap::new();
    store.subject_totals(&Filter::all(), &mut |subject, count| {
        subjects.insert(String::from_utf8(subject.to_vec()).unwrap(), count);
    });
    assert_eq!(state.subjects, Some(subjects));
    for seq in 1..=totals.last_seq {
        let reply = message(server, "S", seq);
        let got = store.get(seq).unwrap();
        assert_eq!(reply["message"]["seq"].as_u64(), got.map(|got| got.seq), "{seq}: {reply}");
        if let Some(got) = got {
            use base64::Engine;
            let engine = base64::engine::general_purpose::STANDARD;
            let data = reply["message"]["data"].as_str().unwrap_or_default();
            assert_eq!(engine.decode(data).unwrap(), got.payload);
            let headers = reply["message"]["hdrs"].as_str().unwrap_or_default();
            assert_eq!(engine.decode(headers).unwrap(), got.headers);
            assert_eq!(reply["message"]["subject"].as_str().unwrap().as_bytes(), got.subject);
        }
    }
}

/// Writes with this store, opens with the reference, writes there, opens here again.
fn swap(binary: &str, config: &StreamConfig, options: FileStoreOptions, index: bool) {
    swap_with(binary, config, (options, None), (options, None), index);
}

/// As [`swap`], each server with its own keys: options here, and the block of the reference's
/// configuration. At the end the reference opens the directory once more, by the second ones.
fn swap_with(
    binary: &str,
    config: &StreamConfig,
    (options, keys): (FileStoreOptions, Option<&str>),
    (options_after, keys_after): (FileStoreOptions, Option<&str>),
    index: bool,
) {
    let temp = tempfile::tempdir().unwrap();
    let account = temp.path().join("jetstream/$G");
    let disk: Arc<dyn env::Disk> = Arc::new(OsDisk);
    let mut store = FileStore::create(Arc::clone(&disk), &account, at(0), config, options).unwrap();
    fill(&mut store);
    if index {
        store.stop().unwrap();
    }
    drop(store);
    // The reference may encrypt what is there: it is compared with what it was.
    let copy = temp.path().join("copy/jetstream/$G");
    super::fixtures::copy_dir(&account, &copy);
    let mut store = match super::fixtures::open_all_with(&copy, options).remove(0).opening {
        Opening::Ready { store, .. } => store,
        Opening::Offline { reason, .. } => panic!("offline: {reason}"),
    };
    let server = Server::start_with(binary, temp.path(), keys);
    compare(&server, &mut *store);
    let consumer = server.request("$JS.API.CONSUMER.INFO.S.c", "");
    assert_eq!(consumer["delivered"]["consumer_seq"], 20, "{consumer}");
    assert_eq!(consumer["ack_floor"]["stream_seq"], 201, "{consumer}");
    assert_eq!(consumer["num_ack_pending"], 2, "{consumer}");
    drop(store);
    let ack = server.request("s.new", "from the reference");
    assert_eq!(ack["seq"], 302, "{ack}");
    let gone = server.request("$JS.API.STREAM.MSG.DELETE.S", "{\"seq\":250}");
    assert_eq!(gone["success"], true, "{gone}");
    drop(server);
    let mut opened = super::fixtures::open_all_with(&account, options_after);
    let mut store = match opened.remove(0).opening {
        Opening::Ready { store, .. } => store,
        Opening::Offline { reason, .. } => panic!("offline: {reason}"),
    };
    let consumers = store.take_recovered_consumers();
    assert_eq!(consumers.len(), 1);
    assert_eq!(consumers[0].state.as_ref().map(|state| state.ack_floor.stream), Some(201));
    assert_eq!(store.totals().last_seq, 302);
    assert_eq!(store.lost(), None);
    assert_eq!(store.get(302).unwrap().unwrap().payload, b"from the reference");
    assert_eq!(store.get(250).unwrap(), None);
    let server = Server::start_with(binary, temp.path(), keys_after);
    compare(&server, &mut *store);
    let consumer = server.request("$JS.API.CONSUMER.INFO.S.c", "");
    assert_eq!(consumer["ack_floor"]["stream_seq"], 201, "{consumer}");
}

#[test]
fn encrypted_directories_go_both_ways() {
    use super::encryption::keyed;
    use StoreCipher::{Aes, ChaCha};
    let Ok(binary) = std::env::var("NATS_SERVER_REFERENCE") else {
        println!("SKIP: NATS_SERVER_REFERENCE is not set");
        return;
    };
    let config = StreamConfig { subjects: vec!["s.*".to_owned(), "h".to_owned()], ..config() };
    let chacha = "key: one, cipher: chacha";
    let aes = "key: one, cipher: aes";
    let turns = [
        // Both the same.
        (
            (Some(keyed(ChaCha, "one", "")), Some(chacha)),
            (Some(keyed(ChaCha, "one", "")), Some(chacha)),
        ),
        ((Some(keyed(Aes, "one", "")), Some(aes)), (Some(keyed(Aes, "one", "")), Some(aes))),
        // The reference changes the cipher, we change it back.
        (
            (Some(keyed(ChaCha, "one", "")), Some(aes)),
            (Some(keyed(ChaCha, "one", "")), Some(chacha)),
        ),
        // The reference encrypts what we wrote plain, we change the key.
        ((None, Some(aes)), (Some(keyed(ChaCha, "two", "one")), Some("key: two, cipher: chacha"))),
        ((None, None), (Some(keyed(Aes, "two", "")), Some("key: two, cipher: aes"))),
        (
            (Some(keyed(Aes, "one", "")), Some(aes)),
            (Some(keyed(Aes, "two", "one")), Some("key: two, cipher: aes")),
        ),
    ];
    for (number, ((here, there), (here_after, there_after))) in turns.into_iter().enumerate() {
        for (compression, index) in [(Compression::None, false), (Compression::S2, true)] {
            println!("turn {number}, {compression:?}, index {index}");
            let config = StreamConfig { compression, ..config.clone() };
            let options = |encryption| FileStoreOptions {
                block_bytes: 2_000,
                encryption,
                ..FileStoreOptions::default()
            };
            let first = (options(here), there);
            swap_with(&binary, &config, first, (options(here_after), there_after), index);
        }
    }
}

#[test]
fn the_reference_opens_what_we_wrote() {
    let Ok(binary) = std::env::var("NATS_SERVER_REFERENCE") else {
        println!("SKIP: NATS_SERVER_REFERENCE is not set");
        return;
    };
    let one = StreamConfig { subjects: vec!["s.*".to_owned(), "h".to_owned()], ..config() };
    let limited = StreamConfig { max_msgs: 220, ..one.clone() };
    let per_subject = StreamConfig { max_msgs_per_subject: 30, ..one.clone() };
    let packed = StreamConfig { compression: Compression::S2, ..one.clone() };
    for config in [one, limited, per_subject, packed] {
        for block_bytes in [0, 2_000] {
            for index in [true, false] {
                let options = FileStoreOptions { block_bytes, ..FileStoreOptions::default() };
                swap(&binary, &config, options, index);
            }
        }
    }
}

/// It removes what is replaced, or expired, without a trace: also when it is killed.
#[test]
fn what_the_reference_replaced_is_no_loss() {
    let Ok(binary) = std::env::var("NATS_SERVER_REFERENCE") else {
        println!("SKIP: NATS_SERVER_REFERENCE is not set");
        return;
    };
    for (max_msgs_per_subject, allow_msg_ttl) in [(1, false), (2, true)] {
        for stopped in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let account = temp.path().join("jetstream/$G");
            let disk: Arc<dyn env::Disk> = Arc::new(OsDisk);
            let config = StreamConfig {
                subjects: vec!["s.*".to_owned()],
                max_msgs_per_subject,
                allow_msg_ttl,
                ..config()
            };
            let options = FileStoreOptions { block_bytes: 2_000, ..FileStoreOptions::default() };
            let mut store = FileStore::create(disk, &account, at(0), &config, options).unwrap();
            for number in 0..200 {
                put(&mut store, &format!("s.{number}"), "a value", number);
                store.flush(Durability::Synced).unwrap();
            }
            if stopped {
                store.stop().unwrap();
            }
            drop(store);
            let server = Server::start(&binary, temp.path());
            for number in (0..120).chain(0..120) {
                let ack = server.request(&format!("s.{number}"), "another value");
                assert!(ack["seq"].as_u64() > Some(200), "{ack}");
            }
            drop(server);
            let mut opened = super::fixtures::open_all_with(&account, options);
            let Opening::Ready { mut store, .. } = opened.remove(0).opening else {
                panic!("offline")
            };
            assert_eq!(store.lost(), None);
            assert_eq!(store.totals().last_seq, 440);
            let server = Server::start(&binary, temp.path());
            compare(&server, &mut *store);
        }
    }
}

#[test]
fn we_open_what_the_reference_compressed() {
    let Ok(binary) = std::env::var("NATS_SERVER_REFERENCE") else {
        println!("SKIP: NATS_SERVER_REFERENCE is not set");
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(&binary, temp.path());
    let create = r#"{"name":"S","subjects":["s.*"],"storage":"file","retention":"limits",
        "max_bytes":120000,"max_msgs":-1,"max_consumers":-1,"discard":"old","num_replicas":1,
        "compression":"s2"}"#;
    let created = server.request("$JS.API.STREAM.CREATE.S", create);
    assert_eq!(created["config"]["compression"], "s2", "{created}");
    for number in 0..400 {
        let body = format!("{{\"number\":{number},\"text\":\"{}\"}}", "compressible ".repeat(30));
        let ack = server.request(&format!("s.{}", number % 5), &body);
        assert_eq!(ack["seq"], number + 1, "{ack}");
    }
    let msgs = temp.path().join("jetstream/$G/streams/S/msgs");
    let deadline = Instant::now() + Duration::from_secs(20);
    // Blocks are compressed in the background.
    let mut packed = false;
    while !packed {
        assert!(Instant::now() < deadline, "nothing was compressed");
        packed = std::fs::read_dir(&msgs).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            path.extension().is_some_and(|ext| ext == "blk")
                && std::fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"cmp"))
        });
        std::thread::yield_now();
    }
    let copy = temp.path().join("copy/jetstream/$G");
    super::fixtures::copy_dir(&temp.path().join("jetstream/$G"), &copy);
    let mut opened = super::fixtures::open_all(&copy);
    let Opening::Ready { mut store, .. } = opened.remove(0).opening else { panic!("offline") };
    assert_eq!(store.lost(), None);
    compare(&server, &mut *store);
}
