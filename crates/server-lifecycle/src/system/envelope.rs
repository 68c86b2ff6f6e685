//! What is around an answer: the server that gives it, and whether it is an error.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use monitor::BadRequest;
use serde::Serialize;
use types::Timestamp;

use super::Shared;

/// JetStream is on (`server/events.go` `JetStreamEnabled`).
const CAPABILITY_JETSTREAM: u64 = 1;

/// The server that answers (`ServerInfo`).
#[derive(Serialize)]
pub(super) struct Server {
    name: String,
    host: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    ver: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    feature_flags: BTreeMap<String, bool>,
    jetstream: bool,
    flags: u64,
    seq: u64,
    time: Timestamp,
}

/// An answer in its envelope (`ServerAPIResponse`).
#[derive(Serialize)]
struct Envelope<T> {
    server: Server,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

#[derive(Serialize)]
struct Failure {
    code: u16,
    description: String,
}

/// Who this is (`ServerID`).
#[derive(Serialize)]
pub(super) struct Identity {
    name: String,
    host: String,
    id: String,
}

/// A pinged server's figures (`ServerStatsMsg`).
#[derive(Serialize)]
struct StatszMessage {
    server: Server,
    statsz: monitor::Statsz,
}

impl Shared {
    pub(super) fn identity(&self) -> Identity {
        let info = self.ctx.info.load();
        Identity {
            name: info.server_name.clone(),
            host: info.host.clone(),
            id: info.server_id.clone(),
        }
    }

    pub(super) fn server(&self) -> Server {
        let info = self.ctx.info.load();
        Server {
            name: info.server_name.clone(),
            host: info.host.clone(),
            id: info.server_id.clone(),
            cluster: self.options.load().cluster.name.clone(),
            domain: info.domain.clone(),
            ver: types::COMPATIBLE_VERSION,
            tags: self.options.load().server_tags.clone(),
            metadata: self.options.load().server_metadata.clone(),
            feature_flags: self.monitor.feature_flags(),
            jetstream: info.jetstream,
            flags: if info.jetstream { CAPABILITY_JETSTREAM } else { 0 },
            seq: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            time: self.ctx.wall(self.ctx.now_ns()),
        }
    }

    pub(super) fn statsz(&self) -> Option<Vec<u8>> {
        json(&StatszMessage { server: self.server(), statsz: self.monitor.statsz() })
    }

    /// Wraps an answer, or says why there is none.
    pub(super) fn wrap<T: Serialize>(&self, answer: Result<T, BadRequest>) -> Option<Vec<u8>> {
        let server = self.server();
        json(&match answer {
            Ok(data) => Envelope { server, data: Some(data), error: None },
            Err(BadRequest(description)) => {
                Envelope { server, data: None, error: Some(Failure { code: 500, description }) }
            }
        })
    }

    /// Says that something was done, or why it was not (`server/events.go` `zReq`).
    pub(super) fn done(&self, outcome: Result<(), String>) -> Option<Vec<u8>> {
        let error = outcome.err().map(|description| Failure { code: 500, description });
        json(&Envelope::<()> { server: self.server(), data: None, error })
    }

    /// Says that a request cannot be read.
    pub(super) fn refuse(&self, description: String) -> Option<Vec<u8>> {
        let error = Some(Failure { code: 400, description });
        json(&Envelope::<()> { server: self.server(), data: None, error })
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    match serde_json::to_vec(value) {
        Ok(json) => Some(json),
        Err(error) => {
            tracing::error!("a system request could not be answered: {error}");
            None
        }
    }
}
