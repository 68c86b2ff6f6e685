//! `/healthz`: whether the server does what it is there for.

use serde::{Deserialize, Serialize};

use crate::query::{BadRequest, Query};

/// The answer (`server/monitor.go` `HealthStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Healthz {
    /// `ok`, `unavailable` or `error`.
    pub status: &'static str,
    /// Status code of HTTP; left out of the answer over HTTP, which has it already.
    #[serde(skip_serializing_if = "is_zero")]
    pub status_code: u16,
    /// The first thing that is wrong, unless details are asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// All that is wrong, if details are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<HealthzError>,
}

/// One thing that is wrong (`HealthzError`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthzError {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: HealthzErrorKind,
    /// Account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// Stream.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    /// Consumer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consumer: String,
    /// In words.
    pub error: String,
}

/// What an error is about (`HealthZErrorType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum HealthzErrorKind {
    /// Connections.
    #[serde(rename = "CONNECTION")]
    Connection,
    /// The request.
    #[serde(rename = "BAD_REQUEST")]
    BadRequest,
    /// JetStream as a whole.
    #[serde(rename = "JETSTREAM")]
    JetStream,
    /// An account.
    #[serde(rename = "ACCOUNT")]
    Account,
    /// A stream.
    #[serde(rename = "STREAM")]
    Stream,
    /// A consumer.
    #[serde(rename = "CONSUMER")]
    Consumer,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(code: &u16) -> bool {
    *code == 0
}

/// What is asked for (`HealthzOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the request has these switches")]
pub struct HealthzOptions {
    /// Only whether JetStream is on (old name).
    #[serde(rename = "js-enabled")]
    pub js_enabled: bool,
    /// Only whether JetStream is on.
    #[serde(rename = "js-enabled-only")]
    pub js_enabled_only: bool,
    /// Only the server, not JetStream.
    #[serde(rename = "js-server-only")]
    pub js_server_only: bool,
    /// Not single streams. Concerns clusters.
    #[serde(rename = "js-meta-only")]
    pub js_meta_only: bool,
    /// Only this account.
    pub account: String,
    /// Only this stream; needs `account`.
    pub stream: String,
    /// Only this consumer; needs `stream`.
    pub consumer: String,
    /// List all that is wrong.
    pub details: bool,
}

impl HealthzOptions {
    pub(crate) fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        Ok(HealthzOptions {
            js_enabled: query.flag("js-enabled")?,
            js_enabled_only: query.flag("js-enabled-only")?,
            js_server_only: query.flag("js-server-only")?,
            js_meta_only: query.flag("js-meta-only")?,
            details: query.flag("details")?,
            account: query.text("account"),
            stream: query.text("stream"),
            consumer: query.text("consumer"),
        })
    }
}

/// A stream on disk or in memory, as health sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamHealth {
    pub(crate) account: String,
    pub(crate) stream: String,
    pub(crate) state: StreamCondition,
    /// Messages lost to damage.
    pub(crate) lost: usize,
    pub(crate) consumers: Vec<String>,
}

/// How a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamCondition {
    Good,
    /// Its directory is there, the stream is not.
    NotRecovered,
    /// It serves, but cannot store, for this reason.
    CannotStore(String),
}

/// What health is judged by.
pub(crate) enum Health {
    /// Clients cannot connect.
    NotReady,
    /// JetStream is not configured.
    NoJetStream,
    /// JetStream is configured but not running.
    JetStreamDown,
    /// JetStream runs: the accounts that have a directory, whether the server knows each, and all
    /// streams.
    JetStream { accounts: Vec<(String, bool)>, streams: Vec<StreamHealth> },
}

/// Judges (`server/monitor.go` `healthz`, the part without a cluster).
pub(crate) fn judge(options: &HealthzOptions, health: &Health) -> Healthz {
    let mut verdict = Verdict { details: options.details, first: None, all: Vec::new() };
    verdict.examine(options, health);
    verdict.into_answer()
}

struct Verdict {
    details: bool,
    /// Code, status and text of what decided.
    first: Option<(u16, &'static str, String)>,
    all: Vec<HealthzError>,
}

/// Whether to look on.
#[derive(PartialEq, Eq)]
enum Look {
    On,
    Enough,
}

impl Verdict {
    fn add(&mut self, code: u16, status: &'static str, error: HealthzError) -> Look {
        if self.first.is_none() {
            self.first = Some((code, status, error.error.clone()));
        }
        self.all.push(error);
        if self.details { Look::On } else { Look::Enough }
    }

    /// Something that is missing makes all else irrelevant.
    fn only(&mut self, code: u16, status: &'static str, error: HealthzError) {
        self.first = None;
        self.all.clear();
        self.add(code, status, error);
    }

    fn examine(&mut self, options: &HealthzOptions, health: &Health) {
        use HealthzErrorKind::{BadRequest, Connection, JetStream};
        let HealthzOptions { account, stream, consumer, .. } = options;
        for (name, of, missing) in [
            ("account", "stream", account.is_empty() && !stream.is_empty()),
            ("stream", "consumer", stream.is_empty() && !consumer.is_empty()),
        ] {
            if missing {
                let text = format!("{name:?} must not be empty when checking {of} health");
                return self.only(400, "error", error(BadRequest, text));
            }
        }
        let (accounts, streams) = match health {
            Health::NotReady => {
                let text = "failed to be ready for connections".to_owned();
                return self.only(500, "error", error(Connection, text));
            }
            _ if options.js_server_only => return,
            Health::NoJetStream => return,
            Health::JetStreamDown => {
                let text = types::errors::NOT_ENABLED.err().to_string();
                return self.only(503, "unavailable", error(JetStream, text));
            }
            Health::JetStream { .. } if options.js_enabled || options.js_enabled_only => return,
            Health::JetStream { accounts, streams } => (accounts, streams),
        };
        self.examine_streams(options, accounts, streams);
        self.examine_wanted(options, accounts, streams);
    }

    fn examine_streams(
        &mut self,
        options: &HealthzOptions,
        accounts: &[(String, bool)],
        streams: &[StreamHealth],
    ) {
        use HealthzErrorKind::{Account, Stream};
        let wanted = |want: &str, name: &str| want.is_empty() || want == name;
        for (account, known) in accounts.iter().filter(|(a, _)| wanted(&options.account, a)) {
            if !known {
                let text = format!("JetStream account '{account}' could not be resolved");
                let found = HealthzError { account: account.clone(), ..error(Account, text) };
                if self.add(503, "unavailable", found) == Look::Enough {
                    return;
                }
                continue;
            }
            let streams = streams
                .iter()
                .filter(|s| s.account == *account && wanted(&options.stream, &s.stream));
            for found in streams {
                let about = |text| HealthzError {
                    account: account.clone(),
                    stream: found.stream.clone(),
                    ..error(
                        Stream,
                        format!("JetStream stream '{account} > {}' {text}", found.stream),
                    )
                };
                if found.lost > 0 {
                    // It serves all it has: something to look into, no reason to restart.
                    self.all.push(about(format!("lost {} messages to damage", found.lost)));
                }
                let found = match &found.state {
                    StreamCondition::Good => continue,
                    StreamCondition::NotRecovered => about("could not be recovered".to_owned()),
                    StreamCondition::CannotStore(cause) => about(format!("cannot store: {cause}")),
                };
                if self.add(503, "unavailable", found) == Look::Enough {
                    return;
                }
            }
        }
    }

    /// What was named must be there.
    fn examine_wanted(
        &mut self,
        options: &HealthzOptions,
        accounts: &[(String, bool)],
        streams: &[StreamHealth],
    ) {
        use HealthzErrorKind::{Account, Consumer, Stream};
        if !self.details && self.first.is_some() {
            return;
        }
        let HealthzOptions { account, stream, consumer, .. } = options;
        let absent = |kind, text| HealthzError { account: account.clone(), ..error(kind, text) };
        if !account.is_empty() && !accounts.iter().any(|(name, _)| name == account) {
            let text = format!("JetStream account {account:?} not found");
            return self.only(404, "unavailable", absent(Account, text));
        }
        let found = streams.iter().find(|s| s.account == *account && s.stream == *stream);
        if !stream.is_empty() && found.is_none() {
            let text = format!("JetStream stream {stream:?} not found on account {account:?}");
            let error = HealthzError { stream: stream.clone(), ..absent(Stream, text) };
            return self.only(404, "unavailable", error);
        }
        if !consumer.is_empty() && !found.is_some_and(|s| s.consumers.contains(consumer)) {
            let text = format!(
                "JetStream consumer {consumer:?} not found for stream {stream:?} on account {account:?}"
            );
            let error = HealthzError {
                stream: stream.clone(),
                consumer: consumer.clone(),
                ..absent(Consumer, text)
            };
            self.only(404, "unavailable", error);
        }
    }

    fn into_answer(self) -> Healthz {
        let Some((status_code, status, error)) = self.first else {
            let errors = if self.details { self.all } else { Vec::new() };
            return Healthz { status: "ok", status_code: 200, error: String::new(), errors };
        };
        if self.details {
            Healthz { status: "error", status_code, error: String::new(), errors: self.all }
        } else {
            Healthz { status, status_code, error, errors: Vec::new() }
        }
    }
}

fn error(kind: HealthzErrorKind, error: String) -> HealthzError {
    HealthzError {
        kind,
        account: String::new(),
        stream: String::new(),
        consumer: String::new(),
        error,
    }
}
