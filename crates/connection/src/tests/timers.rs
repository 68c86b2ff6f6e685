//! Pings and their answers.

use std::time::{Duration, Instant};

use wire::CloseReason;

use super::harness::TestServer;
use crate::ClientOptions;
use account::Accounts;
use config_validate::options::Options;

async fn pinging(interval: Duration, max: u32) -> TestServer {
    let options =
        ClientOptions { ping_interval: interval, ping_max: max, ..ClientOptions::default() };
    TestServer::with(options, Accounts::from_options(&Options::default())).await
}

#[tokio::test]
async fn silent_clients_are_pinged_and_then_stale() {
    let server = pinging(Duration::from_millis(40), 2).await;
    let mut client = server.connect("").await;
    let start = Instant::now();
    client.expect_end("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n").await;
    assert!(start.elapsed() >= Duration::from_millis(110), "{:?}", start.elapsed());
    server.until("closed", |ctx| ctx.connections.total_closed() == 1).await;
    assert_eq!(server.ctx.connections.closed()[0].reason, Some(CloseReason::StaleConnection));
    assert_eq!(server.ctx.stats.stale_connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn answering_clients_live_and_are_measured() {
    let server = pinging(Duration::from_millis(20), 100).await;
    let mut client = server.connect("").await;
    for _ in 0..5 {
        client.expect_bytes("PING\r\n").await;
        client.send("PONG\r\n").await;
    }
    let conn = server.last();
    let info = conn.snapshot(&server.ctx, crate::snapshot::WithSubs::Count);
    assert!(info.rtt.is_some_and(|rtt| rtt < Duration::from_secs(1)), "{:?}", info.rtt);
}
