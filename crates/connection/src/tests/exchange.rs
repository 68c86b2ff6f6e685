//! Conversations of clients of several accounts, the same with this server and with nats-server.

use serde_json::Value;

use super::harness::{Client, TestServer};
use super::reference::{Reference, binary};

/// One client says something.
struct Says(usize, &'static str);

/// What every client heard after every step, with what differs by nature replaced.
async fn perform(addr: std::net::SocketAddr, users: &[&str], steps: &[Says]) -> Vec<String> {
    let mut clients = Vec::new();
    for user in users {
        let mut client = Client::dial(addr).await;
        client.info().await;
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\
             \"no_responders\":true,\"name\":\"n-{user}\",\"lang\":\"rs\",\"version\":\"1\",\
             \"user\":\"{user}\",\"pass\":\"p\"}}\r\n"
        );
        client.send(&hello).await;
        heard(&mut client).await;
        clients.push(client);
    }
    let mut transcript = Vec::new();
    let mut replies = vec![String::new(); users.len()];
    for Says(who, text) in steps {
        let text = text.replace("{reply}", &replies[*who]);
        clients[*who].send(&text).await;
        // Whoever speaks first: what others get is queued before its PONG.
        let order = std::iter::once(*who).chain((0..users.len()).filter(|i| i != who));
        for i in order {
            let text = heard(&mut clients[i]).await;
            if let Some(at) = text.rfind("_R_.") {
                let end = text[at..].find([' ', '\r']).unwrap_or(text.len() - at);
                replies[i] = text[at..at + end].to_owned();
            }
            let text = normalise(&text);
            if !text.is_empty() {
                transcript.push(format!("{} hears {text:?}", users[i]));
            }
        }
        transcript.push("--".to_owned());
    }
    transcript
}

/// All that came until the answer to a PING.
async fn heard(client: &mut Client) -> String {
    client.send("PING\r\n").await;
    let mut text = String::new();
    loop {
        let line = client.line().await;
        if line == "PONG\r\n" {
            return text;
        }
        text.push_str(&line);
    }
}

fn normalise(text: &str) -> String {
    let mut out = Vec::new();
    let described = text.contains("Nats-Request-Info");
    for line in text.split_inclusive('\n') {
        if let Some(json) = line.strip_prefix("Nats-Request-Info: ") {
            let mut info: Value = serde_json::from_str(json).unwrap();
            for key in ["rtt", "start", "id", "server", "host"] {
                if let Some(value) = info.get_mut(key) {
                    *value = Value::from("<varies>");
                }
            }
            out.push(format!("Nats-Request-Info: {info}\r\n"));
            continue;
        }
        let mut words: Vec<String> = line.trim_end().split(' ').map(str::to_owned).collect();
        for word in &mut words {
            if word.starts_with("_R_.") {
                *word = "_R_".to_owned();
            }
        }
        // Sizes vary with the round trip time.
        if described && line.starts_with("HMSG") {
            words.truncate(words.len() - 2);
        }
        out.push(format!("{}\r\n", words.join(" ")));
    }
    // Which of a client's subscriptions comes first is nobody's promise.
    out.sort();
    out.concat()
}

async fn compare(config: &str, users: &[&str], steps: &[Says]) {
    let ours = perform(TestServer::start(config).await.addr, users, steps).await;
    let Some(binary) = binary() else { return };
    let reference = Reference::start(&binary, config);
    let theirs = perform(reference.addr, users, steps).await;
    let said: Vec<_> = steps.iter().map(|Says(who, text)| format!("{who}: {text:?}")).collect();
    assert_eq!(ours, theirs, "after\n{}", said.join("\n"));
}

const STREAMS: &str = "
accounts {
  X { users: [{user: x, password: p}]
      exports: [{stream: 'pub.>'}, {stream: 'only.*', accounts: [Y]}, {stream: 'map.*.*'}, {stream: one}] }
  Y { users: [{user: y, password: p}, {user: y2, password: p, permissions: {subscribe: {allow: '>', deny: 'in.pub.no'}}}]
      imports: [{stream {account: X, subject: 'pub.>'}, prefix: in},
                {stream {account: X, subject: 'only.*'}},
                {stream {account: X, subject: 'map.*.*'}, to: 'm.$2.$1'},
                {stream {account: X, subject: one}, to: 'uno'}] }
  Z { users: [{user: z, password: p}]
      imports: [{stream {account: X, subject: 'pub.a'}}] }
}";

#[tokio::test]
async fn imported_messages() {
    let steps = [
        Says(1, "SUB > 1\r\n"),
        Says(
            0,
            "PUB pub.a 1\r\n1\r\nPUB only.a 1\r\n2\r\nPUB map.a.b 1\r\n3\r\nPUB one 1\r\n4\r\nPUB other 1\r\n5\r\n",
        ),
        Says(
            1,
            "UNSUB 1\r\nSUB in.pub.> 2\r\nSUB m.b.* 3\r\nSUB *.b.a 4\r\nSUB uno q 5\r\nSUB pub.a 6\r\n",
        ),
        Says(3, "SUB > 1\r\n"),
        Says(
            0,
            "PUB pub.a 1\r\n1\r\nPUB only.a 1\r\n2\r\nPUB map.a.b 1\r\n3\r\nPUB map.b.a 1\r\n3\r\nPUB one r 1\r\n4\r\n",
        ),
        Says(0, "HPUB pub.a.b r 12 13\r\nNATS/1.0\r\n\r\nx\r\n"),
        Says(2, "SUB in.> 1\r\n"),
        Says(0, "PUB pub.no 1\r\n1\r\nPUB pub.yes 1\r\n2\r\n"),
        Says(1, "PUB in.pub.a 1\r\nx\r\nPUB uno 1\r\ny\r\n"),
        Says(1, "UNSUB 2\r\nUNSUB 3\r\nUNSUB 4\r\nUNSUB 5\r\nUNSUB 6\r\n"),
        Says(0, "PUB only.a r 1\r\n2\r\nPUB map.a.b r 1\r\n3\r\nPUB one r 1\r\n4\r\n"),
    ];
    compare(STREAMS, &["x", "y", "y2", "z"], &steps).await;
}

const SERVICES: &str = "
accounts {
  S { users: [{user: s, password: p}]
      exports: [{service: help}, {service: 'req.*'}, {service: 'two.*.*', response: stream},
                {service: chunks, response_type: chunked}, {service: mine, accounts: [A]}] }
  A { users: [{user: a, password: p}]
      exports: [{service: 'chain.*'}]
      imports: [{service {account: S, subject: help}},
                {service {account: S, subject: 'req.*'}, to: 'ask.*'},
                {service {account: S, subject: 'two.*.*'}, to: 'two.$2.$1'},
                {service {account: S, subject: chunks}, to: c, share: true},
                {service {account: S, subject: mine}, to: yours},
                {service {account: S, subject: 'req.fix'}, to: 'chain.x'}] }
  B { users: [{user: b, password: p}]
      imports: [{service {account: A, subject: 'chain.*'}, to: 'far.*'},
                {service {account: S, subject: help}, share: true}] }
}";

#[tokio::test]
async fn requests_and_answers() {
    let steps = [
        Says(1, "SUB in.* 9\r\nPUB help in.1 1\r\nq\r\n"),
        Says(0, "SUB > 1\r\n"),
        Says(1, "PUB help in.1 1\r\nq\r\n"),
        Says(0, "PUB {reply} 1\r\na\r\n"),
        Says(0, "PUB {reply} 1\r\nb\r\n"),
        Says(1, "PUB ask.now in.2 1\r\nq\r\n"),
        Says(0, "HPUB {reply} 21 22\r\nNATS/1.0\r\nA: bcde\r\n\r\nx\r\n"),
        Says(1, "PUB two.x.y in.3 1\r\nq\r\n"),
        Says(
            0,
            "PUB {reply} 1\r\n1\r\nPUB {reply} 1\r\n2\r\nPUB {reply} 0\r\n\r\nPUB {reply} 1\r\n3\r\n",
        ),
        Says(1, "HPUB c in.4 17 18\r\nNATS/1.0\r\nA:b\r\n\r\nz\r\n"),
        Says(0, "PUB {reply} 1\r\n1\r\n"),
        Says(1, "PUB yours 1\r\nq\r\nPUB nobody in.5 0\r\n\r\n"),
        Says(2, "SUB in.> 9\r\nPUB help in.1 1\r\nq\r\n"),
        Says(0, "PUB {reply} more 1\r\na\r\n"),
        Says(2, "PUB far.x in.1 1\r\nq\r\n"),
        Says(0, "PUB {reply} 1\r\na\r\n"),
        Says(2, "PUB far.y in.1 1\r\nq\r\n"),
        Says(0, "UNSUB 1\r\n"),
        Says(2, "PUB far.x in.1 1\r\nq\r\n"),
        Says(1, "PUB help _R_.x 0\r\n\r\nPUB help $JS.ACK.x 0\r\n\r\n"),
    ];
    compare(SERVICES, &["s", "a", "b"], &steps).await;
}

#[tokio::test]
async fn queue_groups_of_servers() {
    let steps = [
        Says(0, "SUB help q 1\r\nSUB help 2\r\n"),
        Says(1, "SUB in.* 9\r\nPUB help in.1 1\r\nq\r\n"),
        Says(0, "PUB {reply} 1\r\na\r\n"),
        Says(0, "UNSUB 2\r\n"),
        Says(1, "PUB help in.1 1\r\nq\r\n"),
        Says(0, "PUB {reply} 1\r\na\r\n"),
        Says(0, "UNSUB 1\r\n"),
        Says(1, "SUB help 3\r\nPUB help in.1 1\r\nq\r\n"),
    ];
    compare(SERVICES, &["s", "a"], &steps).await;
}

#[tokio::test]
async fn mapped_subjects() {
    let config = "
mappings { 'g.*': 'h.$1' }
accounts {
  M { users: [{user: m, password: p}, {user: l, password: p, permissions: {publish: {allow: ['to.>', 'in.>']}, subscribe: '>'}}]
      mappings { a: 'to.a', 'w.*.*': 'to.w.{{wildcard(2)}}.$1', 'p.*': 'to.{{partition(3,1)}}.$1',
                 's.*': 'to.{{split(1,-)}}', lost: [{dest: lost, weight: 0}],
                 cl: [{dest: 'to.c1', weight: 100, cluster: east}, {dest: 'to.c2', weight: 100}] }
      exports: [{service: 'svc'}, {stream: 'to.a'}] }
  N { users: [{user: n, password: p}]
      mappings { x: svc }
      imports: [{service {account: M, subject: svc}}, {stream {account: M, subject: 'to.a'}}] }
}
no_auth_user: m";
    let steps = [
        Says(0, "SUB > 1\r\n"),
        Says(2, "SUB in.* 8\r\nSUB to.a 9\r\n"),
        Says(
            0,
            "PUB a 1\r\n1\r\nPUB w.x.y r 1\r\n2\r\nPUB p.foo 1\r\n3\r\nPUB p.bar 1\r\n3\r\nPUB s.a-b-c 1\r\n4\r\nPUB cl 1\r\n5\r\n",
        ),
        Says(1, "PUB a 1\r\n1\r\nPUB other 1\r\n2\r\n"),
        Says(2, "PUB x in.1 1\r\nq\r\n"),
        Says(0, "PUB {reply} 1\r\na\r\n"),
        Says(0, "UNSUB 1\r\nSUB in.* 3\r\nPUB a in.1 0\r\n\r\nPUB lost in.1 0\r\n\r\n"),
    ];
    compare(config, &["m", "l", "n"], &steps).await;
}
