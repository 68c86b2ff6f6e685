//! Servers inside this process: started, side by side, stopped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::net::TcpStream;

use config_validate::options::Port;
use server_lifecycle::{Embedded, JetStreamError, Server, StartError, StoreDirError, loopback};
use support::{Client, get_json};

#[test]
fn servers_run_side_by_side_and_share_nothing() {
    let servers: Vec<Embedded> = (0..3).map(|_| Embedded::temporary().unwrap()).collect();
    for server in &servers {
        let mut client = Client::connect(server.client_addr(), "{}");
        assert_eq!(client.info["server_id"], server.server().id());
        assert_eq!(client.info["port"], server.client_addr().port());
        assert_eq!(client.info["jetstream"], true);
        client.send("SUB foo 1\r\nPUB foo 2\r\nhi\r\n");
        assert_eq!(client.payload(), b"hi");
        client.flush();
        let varz = get_json(server.monitor_addr().unwrap(), "/varz");
        assert_eq!(varz["in_msgs"], 1, "only this server's message is counted");
        assert_eq!(varz["total_connections"], 1);
    }
    let ids: std::collections::HashSet<String> =
        servers.iter().map(|server| server.server().id()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_stopped_server_frees_its_port_and_its_directory() {
    let server = Embedded::temporary().unwrap();
    let (address, monitor) = (server.client_addr(), server.monitor_addr().unwrap());
    let dir = server.temporary_dir().unwrap().to_owned();
    let mut client = Client::connect(address, "{}");
    assert!(dir.exists());
    server.shutdown();
    while !client.line().is_empty() {}
    assert!(TcpStream::connect(address).is_err());
    assert!(TcpStream::connect(monitor).is_err());
    assert!(!dir.exists());
    let mut again = loopback();
    again.port = Port::Fixed(address.port());
    let again = Embedded::start(again).unwrap();
    assert_eq!(again.client_addr(), address);
}

#[test]
fn nothing_of_a_stopped_server_stays_in_memory() {
    let server = Embedded::temporary().unwrap();
    let mut client = Client::connect(server.client_addr(), "{}");
    client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    client.request("$SYS.REQ.USER.INFO", "");
    let context = std::sync::Arc::downgrade(server.server().context());
    let monitor = std::sync::Arc::downgrade(server.server().monitor());
    server.shutdown();
    assert!(context.upgrade().is_none() && monitor.upgrade().is_none());
}

#[test]
fn dropping_a_server_within_a_runtime_stops_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = runtime.block_on(async {
        let server = Server::start(loopback()).await.unwrap();
        let address = server.client_addr();
        assert!(server.client_url().ends_with(&format!("127.0.0.1:{}", address.port())));
        drop(server);
        address
    });
    drop(runtime);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn shutdown_is_waited_for_by_everyone() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = Server::start(loopback()).await.unwrap();
        let address = server.client_addr();
        tokio::join!(server.shutdown(), server.shutdown(), server.wait());
        server.wait().await;
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn lame_duck_mode_tells_clients_and_ends_the_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut options = loopback();
    options.lame_duck_grace_period = std::time::Duration::from_millis(1);
    options.lame_duck_duration = std::time::Duration::from_millis(2);
    let server = runtime.block_on(Server::start(options)).unwrap();
    let mut client = Client::connect(server.client_addr(), r#"{"protocol":1}"#);
    let told = std::thread::spawn(move || {
        // The first INFO behind CONNECT names the account.
        while !client.wait_for("INFO ").contains("\"ldm\":true") {}
        while !client.line().is_empty() {}
    });
    runtime.block_on(server.lame_duck());
    told.join().unwrap();
    runtime.block_on(server.wait());
    assert!(TcpStream::connect(server.client_addr()).is_err());
}

#[test]
fn clients_are_told_the_advertised_address() {
    let mut options = loopback();
    options.client_advertise = Some("example.com:1234".to_owned());
    let server = Embedded::start(options).unwrap();
    let info = Client::connect(server.client_addr(), "{}").info;
    assert_eq!(info["host"], "example.com");
    assert_eq!(info["port"], 1234);
    let mut options = loopback();
    options.client_advertise = Some("example.com:x".to_owned());
    let error = Embedded::start(options).err().unwrap();
    assert!(matches!(error, StartError::Advertise(_)), "{error}");
}

#[test]
fn a_taken_port_is_an_error_with_the_words_of_the_reference() {
    let first = Embedded::start(loopback()).unwrap();
    let mut options = loopback();
    let port = first.client_addr().port();
    options.port = Port::Fixed(port);
    let error = Embedded::start(options).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "Error listening on port: 127.0.0.1:{port}, \
             \"listen tcp 127.0.0.1:{port}: bind: address already in use\""
        )
    );
    let mut options = loopback();
    options.monitor.http_port = Some(Port::Fixed(port));
    let error = Embedded::start(options).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "Can't start monitoring: can't listen to the monitor port: \
             listen tcp 127.0.0.1:{port}: bind: address already in use"
        )
    );
}

#[test]
fn a_port_that_ipv4_has_taken_is_refused_to_the_wildcard() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // Bound to one address only, so the wildcard conflicts through that address.
    let mut options = loopback();
    options.host = "0.0.0.0".to_owned();
    options.port = Port::Fixed(taken.local_addr().unwrap().port());
    let error = Embedded::start(options).err().unwrap();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
}

#[test]
fn an_unusable_store_directory_is_an_error_and_leaves_nothing_running() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for dir in [file.path().to_owned(), file.path().join("below")] {
        let mut options = loopback();
        options.jetstream.enabled = true;
        options.store_dir = Some(dir);
        let error = Embedded::start(options).err().unwrap();
        assert!(
            matches!(
                error,
                StartError::JetStream(JetStreamError::StoreDir(StoreDirError::NotADirectory))
            ),
            "{error}"
        );
        assert_eq!(
            error.to_string(),
            "Can't start JetStream: storage directory is not a directory"
        );
    }
}

#[test]
fn ports_and_pid_are_written_and_the_ports_file_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = loopback();
    options.pid_file = Some(dir.path().join("pid"));
    options.ports_file_dir = Some(dir.path().to_owned());
    let server = Embedded::start(options).unwrap();
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    assert_eq!(pid, std::process::id().to_string());
    let ports = || {
        let names = std::fs::read_dir(dir.path()).unwrap();
        let mut names = names.map(|entry| entry.unwrap().path());
        names.find(|path| path.extension().is_some_and(|e| e == "ports"))
    };
    let text = std::fs::read_to_string(ports().unwrap()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["nats"][0], server.client_url());
    assert_eq!(json["monitoring"][0], format!("http://{}", server.monitor_addr().unwrap()));
    server.shutdown();
    assert_eq!(ports(), None);

    let mut options = loopback();
    options.pid_file = Some("/nonexistent-dir/pid".into());
    assert_eq!(
        Embedded::start(options).err().unwrap().to_string(),
        "Could not write pidfile: open /nonexistent-dir/pid: no such file or directory"
    );
}
