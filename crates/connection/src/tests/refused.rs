//! A stream's shard that has no room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use routing::{IngestBatch, IngestKind, IngestSink, Pushed, StreamTarget, Subscription, Target};

use super::harness::TestServer;

/// Takes `room` batches, then refuses.
struct Narrow {
    room: AtomicUsize,
}

impl IngestSink for Narrow {
    fn push(&self, batch: IngestBatch) -> Pushed {
        let took =
            self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        match took {
            Ok(1) => Pushed::Pressed,
            Ok(_) => Pushed::Accepted,
            Err(_) => Pushed::Refused(batch),
        }
    }

    fn inbox_id(&self) -> usize {
        1
    }
}

async fn server_with_room(room: usize) -> TestServer {
    let server = TestServer::start("").await;
    let sink = Arc::new(Narrow { room: AtomicUsize::new(room) });
    let space = Arc::clone(server.ctx.accounts.load().global().space());
    for (pattern, kind) in
        [("stored", IngestKind::Publish), ("next", IngestKind::Next), ("ack", IngestKind::Ack)]
    {
        let sink = Arc::clone(&sink) as Arc<dyn IngestSink>;
        let target = Target::Stream(StreamTarget { sink, slot: 0, kind });
        space.subscribe(&Subscription::internal(pattern.as_bytes(), target)).unwrap();
    }
    server
}

#[tokio::test]
async fn who_waits_for_an_answer_gets_one() {
    let server = server_with_room(0).await;
    let mut client = server.connect("\"headers\":true").await;
    client.send("SUB in.* 1\r\nPUB stored in.1 1\r\nx\r\n").await;
    let error = r#"{"error":{"code":429,"err_code":10167,"description":"too many requests"},"stream":"","seq":0}"#;
    client.expect_bytes(&format!("MSG in.1 1 {}\r\n{error}\r\n", error.len())).await;
    client.send("PUB next in.2 0\r\n\r\n").await;
    let status = "NATS/1.0 429 Too Many Requests\r\n\r\n";
    let size = status.len();
    client.expect_bytes(&format!("HMSG in.2 1 {size} {size}\r\n{status}\r\n")).await;
    // Nobody waits, or asks again without being told.
    client.send("PUB stored 1\r\nx\r\nPUB ack in.3 0\r\n\r\n").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_full_inbox_slows_the_publisher_down() {
    let server = server_with_room(2).await;
    let mut client = server.connect("").await;
    client.send("PUB stored 1\r\nx\r\n").await;
    client.expect_nothing().await;
    assert_eq!(server.ctx.stats.stalls.load(Ordering::Relaxed), 0);
    client.send("PUB stored 1\r\nx\r\n").await;
    client.expect_nothing().await;
    assert_eq!(server.ctx.stats.stalls.load(Ordering::Relaxed), 1);
}
