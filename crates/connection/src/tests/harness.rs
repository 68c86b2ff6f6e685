//! A listener in front of [`ServerCtx`], and a client that speaks bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use account::Accounts;
use config_validate::options::Options;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{ClientOptions, Conn, ServerCtx, ServerInfo, spawn_client};

/// Longest any test waits for anything.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) struct TestServer {
    pub(super) ctx: Arc<ServerCtx>,
    pub(super) addr: SocketAddr,
}

impl TestServer {
    pub(super) async fn start(config: &str) -> Self {
        let options = Options::from_text(config).unwrap();
        Self::with(ClientOptions::from(&options), Accounts::from_options(&options)).await
    }

    pub(super) async fn with(options: ClientOptions, accounts: Accounts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let info =
            ServerInfo { host: "127.0.0.1".to_owned(), port: addr.port(), ..ServerInfo::default() };
        let ctx = ServerCtx::new(info, options, Arc::new(accounts));
        let shared = Arc::clone(&ctx);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_client(stream, Arc::clone(&shared));
            }
        });
        TestServer { ctx, addr }
    }

    /// A client that has read its INFO.
    pub(super) async fn dial(&self) -> Client {
        let mut client = Client::dial(self.addr).await;
        client.info().await;
        client
    }

    /// A client that has said `CONNECT {…}` with these fields, `verbose` off unless given.
    pub(super) async fn connect(&self, fields: &str) -> Client {
        let mut client = self.dial().await;
        let comma = if fields.is_empty() { "" } else { "," };
        client
            .send(&format!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false{comma}{fields}}}\r\nPING\r\n"
            ))
            .await;
        client.expect_bytes("PONG\r\n").await;
        client
    }

    /// The connection of the client that connected last.
    pub(super) fn last(&self) -> Arc<Conn> {
        self.ctx.connections.all().pop().expect("a connection")
    }

    /// Waits for a condition on the server.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&ServerCtx) -> bool) {
        let waited = timeout(DEADLINE, async {
            while !holds(&self.ctx) {
                // tidy: allow sleep: polls, with a deadline
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(waited.await.is_ok(), "never: {what}");
    }
}

pub(super) struct Client {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(super) async fn dial(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        Client { stream, unread: Vec::new() }
    }

    pub(super) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn fill(&mut self) -> usize {
        let read = timeout(DEADLINE, self.stream.read_buf(&mut self.unread)).await;
        read.expect("bytes before the deadline").unwrap_or(0)
    }

    /// Reads exactly this.
    #[track_caller]
    pub(super) fn expect_bytes(&mut self, text: &str) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        let text = text.to_owned();
        async move {
            while self.unread.len() < text.len() {
                let read = self.fill().await;
                assert!(read > 0, "{at}: closed after {:?}, wanted {text:?}", self.text());
            }
            let got: Vec<u8> = self.unread.drain(..text.len()).collect();
            let rest = self.text();
            assert_eq!(String::from_utf8_lossy(&got), text, "{at}: followed by {rest:?}");
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Reads one line.
    pub(super) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            assert!(self.fill().await > 0, "closed after {:?}", self.text());
        }
    }

    /// Reads an INFO line.
    pub(super) async fn info(&mut self) -> Value {
        let line = self.line().await;
        let json = line.strip_prefix("INFO ").unwrap_or_else(|| panic!("no INFO but {line:?}"));
        serde_json::from_str(json).unwrap()
    }

    /// Nothing else came before the answer to this PING.
    #[track_caller]
    pub(super) fn expect_nothing(&mut self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            self.send("PING\r\n").await;
            let line = self.line().await;
            assert_eq!(line, "PONG\r\n", "{at}");
        }
    }

    /// Reads to the end of the connection.
    pub(super) async fn rest(&mut self) -> String {
        while self.fill().await > 0 {}
        let text = self.text();
        self.unread.clear();
        text
    }

    /// The server says this, and hangs up.
    #[track_caller]
    pub(super) fn expect_end(&mut self, text: &str) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        let text = text.to_owned();
        async move {
            let rest = self.rest().await;
            assert_eq!(rest, text, "{at}");
        }
    }

    /// Sends, and reads all there is until the connection ends.
    #[track_caller]
    pub(super) fn expect_end_after(&mut self, sent: &str, text: &str) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        let (sent, text) = (sent.to_owned(), text.to_owned());
        async move {
            self.send(&sent).await;
            let rest = self.rest().await;
            assert_eq!(rest, text, "{at}: after {sent:?}");
        }
    }
}
