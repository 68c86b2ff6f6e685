//! The same bytes to this server and to nats-server; the same replies.
//!
//! Runs when `NATS_SERVER_REFERENCE` names a nats-server 2.14 binary.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::harness::{Client, TestServer};

pub(super) struct Reference {
    process: Child,
    pub(super) addr: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Reference {
    pub(super) fn start(binary: &str, config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.conf");
        std::fs::write(&file, config).unwrap();
        let process = Command::new(binary)
            .args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"])
            .arg(dir.path())
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let port = loop {
            let ports = std::fs::read_dir(dir.path()).unwrap().flatten();
            let text = ports
                .filter(|entry| entry.path().extension().is_some_and(|e| e == "ports"))
                .find_map(|entry| std::fs::read_to_string(entry.path()).ok());
            let json: Option<serde_json::Value> =
                text.and_then(|text| serde_json::from_str(&text).ok());
            let url = json.and_then(|json| json["nats"][0].as_str().map(str::to_owned));
            if let Some(url) = url {
                break url.rsplit(':').next().unwrap().parse().unwrap();
            }
            assert!(Instant::now() < deadline, "nats-server does not start");
            std::thread::yield_now();
        };
        Reference { process, addr: SocketAddr::from(([127, 0, 0, 1], port)), _dir: dir }
    }
}

/// Keys whose values differ by nature, or are ours or theirs alone.
const OWN: [&str; 9] = [
    "server_id",
    "server_name",
    "git_commit",
    "go",
    "port",
    "client_id",
    "xkey",
    "jetcore",
    "host",
];

/// All that is said until the server hangs up; INFO reduced to what must be equal.
async fn talk(addr: SocketAddr, sent: &str) -> String {
    let mut client = Client::dial(addr).await;
    client.info().await;
    client.send(sent).await;
    let _ = client.stream.shutdown().await;
    let mut text = String::new();
    for line in client.rest().await.split_inclusive('\n') {
        match line.strip_prefix("INFO ") {
            Some(json) => {
                let mut info: serde_json::Map<_, _> = serde_json::from_str(json).unwrap();
                OWN.iter().for_each(|key| {
                    info.remove(*key);
                });
                text.push_str(&format!("INFO {}\n", serde_json::Value::Object(info)));
            }
            None => text.push_str(line),
        }
    }
    text
}

/// The reference's binary; says so where there is none.
pub(super) fn binary() -> Option<String> {
    let binary = std::env::var("NATS_SERVER_REFERENCE").ok();
    if binary.is_none() {
        println!("SKIP: NATS_SERVER_REFERENCE is not set");
    }
    binary
}

async fn compare(config: &str, conversations: &[&str]) {
    let Some(binary) = binary() else { return };
    let reference = Reference::start(&binary, config);
    let server = TestServer::start(config).await;
    for sent in conversations {
        let theirs = talk(reference.addr, sent).await;
        let ours = talk(server.addr, sent).await;
        assert_eq!(ours, theirs, "after {sent:?}");
    }
}

#[tokio::test]
async fn open_server() {
    let quiet = "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\n";
    let long = "x".repeat(5000);
    let with = |text: &str| format!("{quiet}{text}");
    let owned = [
        with("PING\r\nPING\r\n"),
        with("SUB foo. 1\r\nSUB foo 2\r\nSUB foo 2\r\nSUB bar q 2\r\nPUB foo 1\r\na\r\nSUB a.>.b 4\r\nPUB foo 1\r\nb\r\n"),
        with("SUB foo 1\r\nUNSUB 1 1\r\nPUB foo 1\r\na\r\nPUB foo 1\r\nb\r\nSUB foo 1\r\nPUB foo 1\r\nc\r\n"),
        with("SUB foo 1\r\nPUB foo 1\r\na\r\nUNSUB 1 1\r\nPUB foo 1\r\nb\r\n"),
        with("SUB foo 1\r\nPUB foo 1\r\na\r\nUNSUB 1 3\r\nPUB foo 1\r\nb\r\nUNSUB 1 0\r\nPUB foo 1\r\nc\r\n"),
        with("PUB foo $JS.ACK.x 1\r\na\r\nPUB foo _R_.x 1\r\nc\r\nPUB foo _GR_.x 1\r\nc\r\nPUB $NRG.x 1\r\na\r\nPUB $GR.abcdefgh 1\r\na\r\nPUB $GR.a 1\r\na\r\nPUB _GR_.a 1\r\na\r\nSUB x _sys_ 4\r\n"),
        with("SUB $GR.> 1\r\nPUB $GR.abcd 1\r\na\r\nPUB $GR.abcde 1\r\nb\r\n"),
        with("HPUB x 12 13\r\nNATS/1.0\r\n\r\na\r\n"),
        with("SUB foo.> 1\r\nPUB foo. 1\r\na\r\nPUB .foo 1\r\na\r\nPUB foo..x 1\r\na\r\nPUB foo.a*b 1\r\na\r\nPUB foo.* 1\r\na\r\n"),
        with("SUB foo  bar  5\r\nPUB  foo \t 1 \r\na\r\nping\r\n"),
        with("PUB foo\r\n"), with("SUB foo\r\n"), with("UNSUB\r\n"), with("PUB foo x\r\n"),
        with("PUB foo 99999999\r\n"), with("GET / HTTP/1.1\r\n"), with("-ERR 'x'\r\n"),
        with("INFO x\r\nPING\r\n"), with("INFO {}\r\n+OK\r\nPING\r\n"), with("PUB a 1\r\nab\r\n"),
        with(&format!("SUB {long} 1\r\n")), with(&format!("PUB {long} 1\r\na\r\n")),
        with("PING\r\nCONNECT {\"verbose\":true}\r\nPING\r\n"),
        with("SUB a 1\r\nCONNECT {\"verbose\":true}\r\nPUB a 1\r\nx\r\nPING\r\n"),
        with("SUB a\"b 1\r\nPUB $NRG.a\"b\\ 1\r\nx\r\nPUB $NRG.\u{e9}\u{1} 1\r\nx\r\n"),
        "PUB foo 2\r\nhi\r\nSUB foo 1\r\nPUB foo..b 1\r\na\r\nPUB foo.* 1\r\na\r\nUNSUB 5\r\n".into(),
        "CONNECT {\r\n".into(), "CONNECT\r\n".into(), "CONNECT []\r\n".into(),
        "CONNECT {\"verbose\":\"x\"}\r\n".into(), "CONNECT null\r\nPING\r\n".into(),
        "CONNECT {\"Verbose\":false,\"protocol\":5}\r\nPING\r\n".into(),
        "CONNECT {\"verbose\":false,\"no_responders\":true}\r\n".into(),
        "CONNECT {\"account\":\"x\"}\r\n".into(), "CONNECT {\"new_account\":true}\r\n".into(),
        "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n".into(),
        "CONNECT {\"verbose\":true,\"headers\":true,\"no_responders\":true}\r\nSUB in.* 1\r\nPUB x in.1 1\r\na\r\nHPUB x in.2 12 13\r\nNATS/1.0\r\n\r\na\r\nHPUB in.3 12 13\r\nNATS/1.0\r\n\r\na\r\nUNSUB 1\r\nPING\r\n".into(),
        "CONNECT {\"verbose\":false,\"pedantic\":true}\r\nSUB foo.* 1\r\nPUB foo.* 1\r\na\r\n".into(),
    ];
    compare("", &owned.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn users_and_permissions() {
    let config = "authorization { users: [
        {user: a, password: a, permissions: {
            subscribe: {allow: [\"foo.*\", \"q1 v1\", \"r\", \"r v.*\"], deny: [\"foo.deny\", \"z.*\"]}
            publish: {deny: [\"no.>\"]}}}
        {user: b, password: b, permissions: {allow_responses: true, subscribe: {allow: []}}}
        {user: c, password: c, permissions: {subscribe: {deny: [\"d.x\"]}}}
    ] }";
    compare(
        config,
        &[
            "PUB a 1\r\n",
            "CONNECT {}\r\n",
            "CONNECT {\"user\":\"a\",\"pass\":\"b\"}\r\n",
            "CONNECT {\"user\":\"a\",\"pass\":\"a\"}\r\nSUB foo.* 1\r\nSUB foo.deny 2\r\nSUB > 33\r\nSUB q1 4\r\nSUB q1 v1 5\r\nSUB q1 v2 6\r\nSUB r 7\r\nSUB r v 8\r\nSUB r v.1 9\r\nPUB no.a 1\r\na\r\nPUB foo.deny 1\r\na\r\nPUB foo.a 1\r\na\r\nSUB foo.*.x 50\r\n",
            "CONNECT {\"user\":\"b\",\"pass\":\"b\"}\r\nSUB foo.* 1\r\nPUB foo.a x 1\r\na\r\n",
            "CONNECT {\"verbose\":false,\"user\":\"c\",\"pass\":\"c\"}\r\nSUB d.* 1\r\nSUB d.x 2\r\nPUB d.x 1\r\na\r\nPUB d.y 1\r\na\r\n",
        ],
    )
    .await;
}

#[tokio::test]
async fn stand_in() {
    compare(
        "authorization { users: [{user: a, password: a, permissions: {publish: x}}
                                 {user: c, password: c}] }
         no_auth_user: a",
        &[
            "PUB x 0\r\n\r\nPUB y 0\r\n\r\nSUB y 1\r\nPING\r\n",
            "SUB y 1\r\nCONNECT {\"user\":\"c\",\"pass\":\"c\",\"protocol\":1}\r\nPUB y 0\r\n\r\nPING\r\n",
            "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPUB y 0\r\n\r\nPING\r\n",
        ],
    )
    .await;
}

#[tokio::test]
async fn limits() {
    compare(
        "max_payload: 10\nmax_control_line: 80\nmax_subscriptions: 2\nmax_subscription_tokens: 3",
        &[
            "CONNECT {\"verbose\":false}\r\nSUB a 1\r\nSUB b 2\r\nSUB c 3\r\nUNSUB 1\r\nSUB c 3\r\nPUB c 0\r\n\r\n",
            "CONNECT {\"verbose\":false}\r\nSUB a.b.c 1\r\nSUB a.b.c.d 2\r\nSUB a.> 3\r\n",
            "CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 10\r\n0123456789\r\nPUB a 11\r\n",
            &format!("CONNECT {{\"verbose\":false}}\r\nSUB {} 1\r\n", "x".repeat(78)),
            &format!("CONNECT {{\"verbose\":false}}\r\nSUB {} 1\r\n", "x".repeat(79)),
        ],
    )
    .await;
}
