//! Accounts: isolation, connection limits, who is disconnected first.
//!
//! Tests 1–4 (accounts_test.go) of the ledger.

use std::sync::Arc;

use account::RemoteConnections;
use config_validate::Options;
use config_validate::options::AccountLimits;
use server_lifecycle::Embedded;
use tests::Raw;

fn start(accounts: &str) -> Embedded {
    let config = format!("listen: \"127.0.0.1:-1\"\n{accounts}");
    Embedded::start(Options::from_text(&config).unwrap()).unwrap()
}

/// Connects, and says who it is.
fn dial(server: &Embedded, user: &str, password: &str) -> Raw {
    let mut raw = Raw::connect_port(server.client_addr().port());
    raw.send(format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\nPING\r\n"
    ));
    raw
}

/// A client that was let in.
fn client(server: &Embedded, user: &str, password: &str) -> Raw {
    let mut raw = dial(server, user, password);
    assert_eq!(raw.line(), "PONG", "{user} is let in");
    raw
}

#[test]
fn multi_accounts_isolation() {
    let server = start(
        "accounts {
           PUBLIC { users: [{user: public, password: public}]
                    exports: [{stream: orders.client.stream.>}, {stream: orders.client2.stream.>}] }
           CLIENT { users: [{user: client, password: client}]
                    imports: [{stream {account: PUBLIC, subject: orders.client.stream.>}}] }
           CLIENT2 { users: [{user: client2, password: client2}]
                     imports: [{stream {account: PUBLIC, subject: orders.client2.stream.>}}] }
         }",
    );
    let varz = server.server().monitor().varz();
    assert!(varz.jetstream.config.is_none(), "JetStream is not configured");
    let mut one = client(&server, "client", "client");
    let mut two = client(&server, "client2", "client2");
    let mut public = client(&server, "public", "public");
    for client in [&mut one, &mut two] {
        client.send("SUB orders.> 1\r\n");
        client.sync();
    }
    public.send("PUB orders.client.stream.entry 5\r\ntest1\r\n");
    assert_eq!(public.sync(), [""; 0]);
    one.expect("MSG orders.client.stream.entry 1 5\r\ntest1\r\n");
    // What was routed to it came before the answer to its own PING.
    assert_eq!(two.sync(), [""; 0], "the other account hears nothing");
    for client in [&mut one, &mut two] {
        client.send("UNSUB 1\r\n");
        client.sync();
        client.send("SUB orders.*.stream.entry 2\r\n");
        client.sync();
    }
    public.send("PUB orders.client.stream.entry 5\r\ntest2\r\n");
    assert_eq!(public.sync(), [""; 0]);
    one.expect("MSG orders.client.stream.entry 2 5\r\ntest2\r\n");
    assert_eq!(two.sync(), [""; 0], "the other account hears nothing");
    assert_eq!(one.sync(), [""; 0], "and nothing comes twice");
}

#[test]
fn account_limits_server_config() {
    let server = start(
        "max_connections: 10
         accounts { MAXC {
           users: [{user: derek, password: foo}]
           limits { max_connections: 5, max_subs: 10, max_payload: 32k, max_leafnodes: 1 }
         } }",
    );
    let accounts = server.server().context().accounts.load_full();
    let account = accounts.get("MAXC").expect("the account exists");
    let limits = account.limits();
    assert_eq!(limits.max_connections, Some(5));
    assert_eq!(limits.max_leafnodes, Some(1));
    assert_eq!((limits.max_subscriptions, limits.max_payload), (Some(10), Some(32_000)));
    let mut open: Vec<Raw> = (0..5).map(|_| client(&server, "derek", "foo")).collect();
    let refused = dial(&server, "derek", "foo").rest();
    assert_eq!(refused, "-ERR 'maximum account active connections exceeded'\r\n");
    for client in &mut open {
        assert_eq!(client.sync(), [""; 0], "it stays open");
    }
    assert_eq!(account.connections(), 5);
}

#[test]
fn account_max_connections_disconnects_newest_first() {
    let server = start(
        "server_name: A
         accounts { TEST {
           users: [{user: user1, password: foo}, {user: user2, password: foo}, {user: user3, password: foo}]
           limits { max_connections: 3 }
         } }",
    );
    let mut first = client(&server, "user1", "foo");
    let mut second = client(&server, "user2", "foo");
    let mut third = client(&server, "user3", "foo");
    let ctx = Arc::clone(server.server().context());
    let accounts = ctx.accounts.load_full();
    let account = accounts.get("TEST").expect("the account exists");
    assert_eq!(account.connections(), 3);
    assert_eq!(account.excess_connections(), 0);
    assert_eq!(ctx.close_excess(account), 0, "three fit");
    // As an update of the account's claims would.
    account.set_limits(AccountLimits { max_connections: Some(2), ..account.limits() });
    assert_eq!(account.excess_connections(), 1);
    assert_eq!(ctx.close_excess(account), 1);
    assert_eq!(
        third.rest(),
        "-ERR 'maximum account active connections exceeded'\r\n",
        "the newest is closed"
    );
    assert_eq!(first.sync(), [""; 0], "the first is open");
    assert_eq!(second.sync(), [""; 0], "the second is open");
    assert!(ctx.excess_clients(account).is_empty(), "two fit");
}

#[test]
fn account_update_remote_server_disconnects_newest_first() {
    let server = start(
        "accounts { TEST { users: [{user: dummy, password: foo}], limits { max_connections: 5 } } }",
    );
    let ctx = Arc::clone(server.server().context());
    let accounts = ctx.accounts.load_full();
    let account = accounts.get("TEST").expect("the account exists");
    let mut clients = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        clients.push(client(&server, "dummy", "foo"));
        ids.push(ctx.connections.all().last().unwrap().id());
    }
    assert_eq!(account.connections(), 3);
    assert!(ctx.excess_clients(account).is_empty());
    account.report_remote("fake-server-1", RemoteConnections { clients: 4, leaf_nodes: 0 });
    assert_eq!(account.remote_connections(), 4);
    let excess = ctx.excess_clients(account);
    assert_eq!(excess.len(), 2, "3 here and 4 there, of 5");
    assert!(excess[0].started(&ctx) > excess[1].started(&ctx), "newest first");
    let excess: Vec<u64> = excess.iter().map(|conn| conn.id()).collect();
    assert!(!excess.contains(&ids[0]), "the oldest stays");
    assert!(excess.contains(&ids[1]));
    assert!(excess.contains(&ids[2]));
    assert_eq!(excess, [ids[2], ids[1]]);
}
