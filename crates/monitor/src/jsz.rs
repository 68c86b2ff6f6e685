//! `/jsz`: JetStream.

use serde::{Deserialize, Serialize};
use types::{
    ClusterInfo, ConsumerInfo, EngineStats, StreamConfig, StreamInfo, StreamSourceInfo,
    StreamState, Timestamp,
};

use crate::query::{BadRequest, Query};
use crate::text::is_default;
use crate::varz::{JetStreamConfig, JetStreamLimits};

/// Accounts listed when no limit is given.
const DEFAULT_LIMIT: i64 = 1024;

/// The answer (`server/monitor.go` `JSInfo`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Jsz {
    /// Usage of the server.
    #[serde(flatten)]
    pub stats: EngineStats,
    /// Server id.
    pub server_id: String,
    /// Now.
    pub now: Timestamp,
    /// JetStream is off; all else is empty then.
    #[serde(skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// Configuration in effect.
    pub config: JetStreamConfig,
    /// Limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<JetStreamLimits>,
    /// Streams.
    pub streams: u64,
    /// Streams led by this server, when groups are asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub streams_leader: u64,
    /// Consumers.
    pub consumers: u64,
    /// Consumers led by this server, when groups are asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub consumers_leader: u64,
    /// Messages in all streams.
    pub messages: u64,
    /// Bytes in all streams.
    pub bytes: u64,
    /// Accounts, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub account_details: Vec<AccountDetail>,
    /// Accounts with JetStream.
    pub total: usize,
}

/// One account (`AccountDetail`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct AccountDetail {
    /// Its name.
    pub name: String,
    /// Its name.
    pub id: String,
    /// Its usage. What is called reserved are the account's limits, -1 read as unsigned.
    #[serde(flatten)]
    pub stats: EngineStats,
    /// Its streams, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stream_detail: Vec<StreamDetail>,
}

/// One stream (`StreamDetail`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct StreamDetail {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// Who leads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// Configuration, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<StreamConfig>,
    /// Content.
    pub state: StreamState,
    /// Its consumers, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumer_detail: Vec<ConsumerInfo>,
    /// What it mirrors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSourceInfo>,
    /// What it takes messages from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSourceInfo>,
    /// Why it cannot store at present. Not in the reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub store_error: String,
}

/// What is asked for (`JSzOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the request has these switches")]
pub struct JszOptions {
    /// Only this account.
    pub account: String,
    /// List accounts.
    pub accounts: bool,
    /// List streams.
    pub streams: bool,
    /// List consumers.
    pub consumer: bool,
    /// List configurations.
    pub config: bool,
    /// Accounts to leave out at the start.
    pub offset: i64,
    /// Most accounts to list; 0 is the default, less no limit.
    pub limit: i64,
    /// Say what this server leads.
    #[serde(rename = "raft")]
    pub raft_groups: bool,
}

impl JszOptions {
    pub(crate) fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        let options = JszOptions {
            accounts: query.flag("accounts")?,
            streams: query.flag("streams")?,
            consumer: query.flag("consumers")?,
            config: query.flag("config")?,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            raft_groups: query.flag("raft")?,
            account: query.text("acc"),
        };
        // A server on its own leads all it has, so these pick everything; but they must be flags.
        query.flag("direct-consumers")?;
        query.flag("leader-only")?;
        query.flag("stream-leader-only")?;
        Ok(options)
    }

    /// Consumers are listed under streams, streams under accounts.
    pub(crate) fn complete(mut self) -> Self {
        self.streams |= self.consumer;
        self.accounts |= self.streams && self.account.is_empty();
        if self.limit == 0 {
            self.limit = DEFAULT_LIMIT;
        }
        self
    }

    /// Places of the listed accounts among `names`, which are sorted.
    pub(crate) fn listed(&self, names: &[&str]) -> std::ops::Range<usize> {
        if let Some(place) = names.iter().position(|name| *name == self.account) {
            return place..place + 1;
        }
        if !self.accounts {
            return 0..0;
        }
        if self.limit < 0 {
            return 0..names.len();
        }
        let start = usize::try_from(self.offset).unwrap_or(0).min(names.len());
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        start..start.saturating_add(limit).min(names.len())
    }
}

impl StreamDetail {
    pub(crate) fn new(
        info: StreamInfo,
        consumers: Vec<ConsumerInfo>,
        options: &JszOptions,
    ) -> Self {
        let consumers = consumers.into_iter().map(|mut consumer| {
            if !options.config {
                consumer.config = None;
            }
            consumer
        });
        StreamDetail {
            name: info.config.name.clone(),
            created: info.created,
            cluster: info.cluster,
            config: options.config.then_some(info.config),
            state: info.state,
            consumer_detail: consumers.collect(),
            mirror: info.mirror,
            sources: info.sources,
            store_error: info.store_error,
        }
    }
}
