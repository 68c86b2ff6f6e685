//! The INFO message.

use serde::Serialize;

/// The nats-server version that this server is compatible with; clients test it for features.
pub const NATS_VERSION: &str = "2.14.0";
/// This server's own version.
pub const JETCORE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// Client protocol level: asynchronous INFO (`server/server.go` `ClientProtoInfo`).
pub(crate) const PROTO_INFO: i64 = 1;
/// JetStream API level that goes with [`NATS_VERSION`] (`server/jetstream_versioning.go`).
const API_LEVEL: u32 = 4;

/// What INFO says about the server, the same for all clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Id: a public server key, `N…`.
    pub server_id: String,
    /// Name; the id when none is configured.
    pub server_name: String,
    /// Address that clients were told to be listened on.
    pub host: String,
    /// Port clients connect to.
    pub port: u16,
    /// Commit this server was built from.
    pub git_commit: Option<String>,
    /// JetStream is on.
    pub jetstream: bool,
    /// JetStream domain.
    pub domain: Option<String>,
    /// Other addresses that clients can use.
    pub connect_urls: Vec<String>,
    /// The server is about to stop.
    pub lame_duck: bool,
}

impl Default for ServerInfo {
    fn default() -> Self {
        let id = generate_server_id();
        ServerInfo {
            server_name: id.clone(),
            server_id: id,
            host: "0.0.0.0".to_owned(),
            port: 0,
            git_commit: None,
            jetstream: false,
            domain: None,
            connect_urls: Vec::new(),
            lame_duck: false,
        }
    }
}

/// What INFO says to one client.
#[derive(Clone, Copy)]
pub(crate) struct ClientPart<'a> {
    pub(crate) id: u64,
    pub(crate) ip: &'a str,
    pub(crate) max_payload: Option<usize>,
    pub(crate) headers: bool,
    pub(crate) auth_required: bool,
    /// In the first INFO: what the client is to sign.
    pub(crate) nonce: Option<&'a str>,
    /// In the INFO that answers CONNECT: the client's account.
    pub(crate) account: Option<AccountPart<'a>>,
}

/// The account that a client was put into.
#[derive(Clone, Copy)]
pub(crate) struct AccountPart<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_system: bool,
}

/// Field names and order of `server/server.go` `Info`, plus our own version.
#[derive(Serialize)]
struct Json<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'static str,
    proto: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    git_commit: Option<&'a str>,
    go: &'static str,
    host: &'a str,
    port: u16,
    headers: bool,
    #[serde(skip_serializing_if = "is_false")]
    auth_required: bool,
    max_payload: i64,
    #[serde(skip_serializing_if = "is_false")]
    jetstream: bool,
    client_id: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    client_ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    connect_urls: &'a [String],
    #[serde(skip_serializing_if = "is_false")]
    ldm: bool,
    #[serde(skip_serializing_if = "is_false")]
    connect_info: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_account: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    acc_is_sys: bool,
    api_lvl: u32,
    jetcore: &'static str,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl ServerInfo {
    /// The JSON object for one client.
    pub(crate) fn render(&self, client: ClientPart<'_>) -> Vec<u8> {
        let json = Json {
            server_id: &self.server_id,
            server_name: &self.server_name,
            version: NATS_VERSION,
            proto: PROTO_INFO,
            git_commit: self.git_commit.as_deref(),
            go: "rust",
            host: &self.host,
            port: self.port,
            headers: client.headers,
            auth_required: client.auth_required,
            max_payload: client.max_payload.map_or(-1, |max| i64::try_from(max).unwrap_or(-1)),
            jetstream: self.jetstream,
            client_id: client.id,
            client_ip: client.ip,
            nonce: client.nonce,
            domain: self.domain.as_deref(),
            connect_urls: &self.connect_urls,
            ldm: self.lame_duck,
            connect_info: client.account.is_some(),
            remote_account: client.account.map(|account| account.name),
            acc_is_sys: client.account.is_some_and(|account| account.is_system),
            api_lvl: API_LEVEL,
            jetcore: JETCORE_VERSION,
        };
        serde_json::to_vec(&json).unwrap_or_default()
    }
}

/// A new server id: the public part of a fresh server key (`server/server.go` `NewServer`).
pub fn generate_server_id() -> String {
    nkeys::KeyPair::new_server().public_key()
}
