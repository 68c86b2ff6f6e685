//! JetStream of accounts that come from tokens.
//!
//! Test 43 (jetstream_test.go) of the ledger.

use monitor::JszOptions;
use serde_json::{Value, json};
use tests::{Basic, Operator, Tenant};

#[test]
fn jetstream_operator_accounts() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let one = Tenant::with_limits(
        "one",
        &json!({"mem_storage": 1 << 30, "disk_storage": 10u64 << 30, "streams": 100, "consumer": -1}),
    );
    let mut server = Basic::with_config(&format!(
        "listen: \"127.0.0.1:-1\"
         server_name: S1
         jetstream {{
           store_dir: \"$DIR/js-op-test\"
           max_memory_store: 1073741824
           max_file_store: 10737418240
         }}
         operator: {}
         system_account: {}
         resolver {{ type: full, dir: \"$DIR/js-op-test/jwts\", allow_delete: true, interval: '10s' }}
         resolver_preload {{
           {}: {}
           {}: {}
         }}",
        operator.jwt(&json!({})),
        system.public(),
        system.public(),
        operator.sign(&system),
        one.public(),
        operator.sign(&one),
    ));
    let user = one.user();
    let mut client = user.client(server.port());
    let created = client.check_api("$JS.API.STREAM.CREATE.TEST", &json!({"name": "TEST"}));
    assert_eq!(created["config"]["subjects"], json!(["TEST"]), "{created}");
    for seq in 1..=100 {
        assert_eq!(client.check_stored("TEST", "OK"), seq);
    }
    let info = client.check_api("$JS.API.STREAM.INFO.TEST", &Value::Null);
    assert_eq!(info["state"]["messages"], 100, "{info}");
    drop(client);
    server.restart();
    let jsz = server.server().server().monitor().jsz(JszOptions::default());
    assert!(!jsz.disabled, "JetStream runs");
    assert_eq!(jsz.streams, 1, "nobody has connected yet");
    assert_eq!(jsz.messages, 100);
    let accounts = server.server().server().context().accounts.load_full();
    let account = accounts.get(&one.public()).expect("it was read from its token");
    assert_eq!(account.connections(), 0, "nobody has connected yet");
    let limits = account.configured_jetstream().expect("it has limits");
    assert_eq!((limits[""].max_memory, limits[""].max_storage), (1 << 30, 10 << 30));
}
