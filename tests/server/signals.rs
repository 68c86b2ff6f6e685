//! What signals do to a running server.

use tests::{Raw, Setup};

#[test]
fn a_second_signal_does_not_cut_lame_duck_mode_short() {
    let mut node = Setup::core().start();
    let mut raw = Raw::connect(&node);
    raw.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\nSUB a 1\r\n");
    raw.sync();
    node.signal("USR2");
    let told = std::iter::repeat_with(|| raw.line())
        .any(|line| line.starts_with("INFO ") && line.contains("\"ldm\":true"));
    assert!(told);
    node.signal("USR2");
    node.wait_log_nth("Trapped \"user defined signal 2\" signal", 2);
    node.signal("TERM");
    node.wait_log("Trapped \"terminated\" signal");
    // Clients are served until their turn comes.
    raw.send("PUB a 1\r\nx\r\n");
    let served = std::iter::repeat_with(|| raw.line()).find(|line| line.starts_with("MSG "));
    assert_eq!(served.as_deref(), Some("MSG a 1 1"));
    node.signal("INT");
    assert!(node.wait().success());
    node.wait_log("Trapped \"interrupt\" signal");
    node.wait_log("Server Exiting..");
}

#[test]
fn lame_duck_mode_ends_at_once_without_clients() {
    let mut node = Setup::jetstream().start();
    node.signal("USR2");
    assert!(node.wait().success());
    node.wait_log("Entering lame duck mode");
    node.wait_log("JetStream Shutdown");
}
