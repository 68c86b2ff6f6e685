//! A disk without room, and a process without file handles: publishers hear of it at once,
//! everything else goes on, and writing resumes by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use tests::{Node, Setup, get};

/// What a publisher may wait for the error, and how long writing may take to resume.
const REFUSED_WITHIN: Duration = Duration::from_millis(100);
const RESUMES_WITHIN: Duration = Duration::from_secs(1);
const PAYLOAD: usize = 16 << 10;

/// A small file system of its own; taken away when dropped.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with a visible line, where this process may not mount.
    fn new(size: &str) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk { dir }),
            _ => {
                println!("SKIP: this process may not mount a small file system");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).output();
    }
}

async fn publish(js: &jetstream::Context, subject: &str) -> Result<u64, String> {
    let sent = js.publish(subject.to_owned(), vec![b'x'; PAYLOAD].into()).await;
    let ack = sent.map_err(|error| error.to_string())?;
    ack.await.map(|ack| ack.sequence).map_err(|error| error.to_string())
}

/// Publishes until it is refused; answers the last sequence that was acknowledged.
async fn publish_until_refused(js: &jetstream::Context, subject: &str) -> u64 {
    let mut last = 0;
    for _ in 0..10_000 {
        match publish(js, subject).await {
            Ok(seq) => last = seq,
            Err(error) => {
                assert!(error.contains("10077"), "{error}");
                return last;
            }
        }
    }
    panic!("it is never full");
}

/// Several refusals; half of them at least come in time (a busy machine may delay the others).
async fn refused_in_time(js: &jetstream::Context, subject: &str) {
    let mut in_time = 0;
    for _ in 0..10 {
        let start = Instant::now();
        publish(js, subject).await.unwrap_err();
        in_time += u32::from(start.elapsed() < REFUSED_WITHIN);
    }
    assert!(in_time >= 5, "{in_time} of 10 in time");
}

async fn resumes(js: &jetstream::Context, subject: &str) -> u64 {
    let start = Instant::now();
    loop {
        match publish(js, subject).await {
            Ok(seq) => return seq,
            Err(error) => assert!(start.elapsed() < RESUMES_WITHIN, "still refused: {error}"),
        }
        // tidy: allow sleep: asked again until the deadline, as a client does
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn monitor_port(node: &Node) -> u16 {
    let line = node.wait_log("Starting http monitor on ");
    line.rsplit(':').next().unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_incident_and_no_end() {
    let Some(disk) = SmallDisk::new("3m") else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let config = format!(
        "http: \"127.0.0.1:-1\"\njetstream {{ store_dir: \"{}\", max_file_store: 1GB }}",
        disk.path().display()
    );
    let mut node = Setup::core().config(&config).start();
    let monitor = monitor_port(&node);
    let js = jetstream::new(async_nats::connect(node.url()).await.unwrap());
    for (name, storage) in
        [("FULL", stream::StorageType::File), ("MEM", stream::StorageType::Memory)]
    {
        js.create_stream(stream::Config {
            name: name.to_owned(),
            subjects: vec![name.to_lowercase()],
            storage,
            ..stream::Config::default()
        })
        .await
        .unwrap();
    }
    let last = publish_until_refused(&js, "full").await;
    refused_in_time(&js, "full").await;
    publish(&js, "mem").await.unwrap();
    let (status, body) = get(monitor, "/healthz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("'$G > FULL' cannot store"), "{body}");
    // Reads and deletes go on.
    let mut held = js.get_stream("FULL").await.unwrap();
    assert_eq!(held.get_raw_message(1).await.unwrap().payload.len(), PAYLOAD);
    held.delete_message(1).await.unwrap();
    assert_eq!(held.info().await.unwrap().state.messages, last - 1);
    // There is room again.
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(resumes(&js, "full").await, last + 1);
    let (status, body) = get(monitor, "/healthz");
    assert_eq!(status, 200, "{body}");
    // Full again: a purge makes room.
    let last = publish_until_refused(&js, "full").await;
    held.purge().await.unwrap();
    assert_eq!(resumes(&js, "full").await, last + 1);
    node.kill9();
    node.restart();
    let js = jetstream::new(async_nats::connect(node.url()).await.unwrap());
    let state = js.get_stream("FULL").await.unwrap().info().await.unwrap().state.clone();
    assert_eq!((state.messages, state.last_sequence), (1, last + 1));
}

/// Sets the limit of open files of a running process; false where that cannot be done.
fn limit_files(pid: u32, soft: usize) -> bool {
    Command::new("prlimit")
        .args([format!("--pid={pid}"), format!("--nofile={soft}:")])
        .output()
        .is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_handles_publishers_are_refused_until_there_are_some() {
    let node = Setup::jetstream().start();
    let js = jetstream::new(async_nats::connect(node.url()).await.unwrap());
    let open_files = |pid: u32| -> PathBuf { Path::new("/proc").join(pid.to_string()).join("fd") };
    let mut held = js
        .create_stream(stream::Config {
            name: "S".to_owned(),
            subjects: vec!["s".to_owned()],
            // Blocks of 32,000 bytes: two messages each.
            max_bytes: 100_000,
            ..stream::Config::default()
        })
        .await
        .unwrap();
    publish(&js, "s").await.unwrap();
    let Ok(files) = std::fs::read_dir(open_files(node.pid())) else {
        return println!("SKIP: open files cannot be counted here");
    };
    if !limit_files(node.pid(), files.count().min(8)) {
        return println!("SKIP: limits of a running process cannot be set here");
    }
    publish_until_refused(&js, "s").await;
    refused_in_time(&js, "s").await;
    let last = held.info().await.unwrap().state.last_sequence;
    assert!(last > 0);
    assert_eq!(held.get_raw_message(last).await.unwrap().payload.len(), PAYLOAD);
    assert!(limit_files(node.pid(), 1024));
    assert_eq!(resumes(&js, "s").await, last + 1);
    let dir: Arc<tempfile::TempDir> = node.shared_dir();
    drop((js, node));
    let node = Setup::jetstream().start_in(dir);
    let js = jetstream::new(async_nats::connect(node.url()).await.unwrap());
    let state = js.get_stream("S").await.unwrap().info().await.unwrap().state.clone();
    assert_eq!(state.last_sequence, last + 1);
}
