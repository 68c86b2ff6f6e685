//! The requests and their answers.

use std::time::Duration;

use account::{ClaimedUser, now_unix_s};
use config_validate::options::{AllowResponses, Permissions, SubjectPermission};
use connection::{ConnInfo, WithSubs};
use monitor::{
    AccountStatzOptions, AccountzOptions, BadRequest, ConnzOptions, HealthzOptions, JszOptions,
    SubszOptions,
};
use routing::ConnId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::CloseReason;

use super::Shared;
use super::envelope::json;

/// What can be asked of a server.
pub(super) const SERVER_KINDS: [&str; 11] = [
    "IDZ", "STATSZ", "VARZ", "SUBSZ", "CONNZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ",
    "HEALTHZ",
];
/// What can be asked about an account.
pub(super) const ACCOUNT_KINDS: [&str; 6] = ["SUBSZ", "CONNZ", "LEAFZ", "JSZ", "INFO", "STATZ"];

/// Who asks.
#[derive(Clone)]
pub(super) enum Asker {
    /// The system account, which may know everything.
    System,
    /// Another account, which may know about itself.
    Account(String),
}

/// Which servers a request is for (`EventFilterOptions`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Filter {
    server_name: String,
    cluster: String,
    host: String,
    exact_match: bool,
    tags: Vec<String>,
    domain: String,
}

/// Options of a KICK request.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kick {
    cid: u64,
}

/// The answers to a request; none where this server has nothing to say.
pub(super) fn answers(
    shared: &Shared,
    asker: &Asker,
    subject: &str,
    payload: &[u8],
    from: ConnId,
) -> Vec<Vec<u8>> {
    match asker {
        Asker::System if subject.contains(".CLAIMS.") => shared.about_claims(subject, payload),
        _ => answer(shared, asker, subject, payload, from).into_iter().collect(),
    }
}

fn answer(
    shared: &Shared,
    asker: &Asker,
    subject: &str,
    payload: &[u8],
    from: ConnId,
) -> Option<Vec<u8>> {
    let options = match read(payload) {
        Ok(options) => options,
        Err(error) => return shared.refuse(error),
    };
    if parse::<Filter>(&options).is_ok_and(|filter| !shared.is_meant(&filter)) {
        return None;
    }
    let mut tokens = subject.split('.').skip(2);
    let (kind, name, what) = (tokens.next()?, tokens.next()?, tokens.next());
    let answered = match (kind, name, what, asker) {
        ("USER", "INFO", None, _) => return shared.user_info(from),
        ("SERVER", "PING", None, Asker::System) => return shared.statsz(),
        ("SERVER", _, Some("RELOAD"), Asker::System) => return shared.done(shared.reload.run()),
        ("SERVER", _, Some("KICK"), Asker::System) => shared.kick(&options),
        ("SERVER", _, Some(what), Asker::System) => shared.about_server(what, &options)?,
        // To others the whole server is their account.
        ("SERVER", "PING", Some("CONNZ"), Asker::Account(own)) => {
            shared.about_account("CONNZ", own, &options)?
        }
        ("ACCOUNT", "PING", Some(what), Asker::Account(own)) => {
            shared.about_account(what, own, &options)?
        }
        ("ACCOUNT", "PING", Some("STATZ"), Asker::System) => shared.all_account_stats(&options)?,
        ("ACCOUNT", account, Some(what), Asker::System) => {
            shared.about_account(what, account, &options)?
        }
        _ => return None,
    };
    match answered {
        Ok(json) => json,
        Err(error) => shared.refuse(error),
    }
}

/// An answer as JSON, or why the options cannot be read.
type Answered = Result<Option<Vec<u8>>, String>;

impl Shared {
    fn is_meant(&self, filter: &Filter) -> bool {
        let info = self.ctx.info.load();
        let fits = |wanted: &str, actual: &str| match filter.exact_match {
            true => wanted.is_empty() || wanted == actual,
            false => actual.contains(wanted),
        };
        let options = self.options.load();
        let cluster = options.cluster.name.as_deref().unwrap_or_default();
        let domain = info.domain.as_deref().unwrap_or_default();
        fits(&filter.server_name, &info.server_name)
            && fits(&filter.host, &info.host)
            && fits(&filter.cluster, cluster)
            && filter.tags.iter().all(|tag| options.server_tags.contains(tag))
            && (filter.domain.is_empty() || filter.domain == domain)
    }

    fn about_server(&self, what: &str, options: &Value) -> Option<Answered> {
        let monitor = &self.monitor;
        Some(match what {
            "IDZ" => Ok(json(&self.identity())),
            "STATSZ" => Ok(self.statsz()),
            "VARZ" => Ok(self.wrap(Ok(monitor.varz()))),
            "ROUTEZ" => Ok(self.wrap(Ok(monitor.routez()))),
            "GATEWAYZ" => Ok(self.wrap(Ok(monitor.gatewayz()))),
            "LEAFZ" => Ok(self.wrap(Ok(monitor.leafz()))),
            "SUBSZ" => parse(options).map(|o: SubszOptions| self.wrap(monitor.subsz(&o))),
            "CONNZ" => parse(options).map(|o: ConnzOptions| self.wrap(monitor.connz(&o))),
            "ACCOUNTZ" => parse(options).map(|o: AccountzOptions| self.wrap(monitor.accountz(&o))),
            "JSZ" => parse(options).map(|o: JszOptions| self.wrap(Ok(monitor.jsz(o)))),
            "HEALTHZ" => parse(options).map(|o: HealthzOptions| self.wrap(Ok(monitor.healthz(&o)))),
            _ => return None,
        })
    }

    fn about_account(&self, what: &str, account: &str, options: &Value) -> Option<Answered> {
        let monitor = &self.monitor;
        let own = account.to_owned();
        Some(match what {
            "LEAFZ" => Ok(self.wrap(Ok(monitor.leafz()))),
            "SUBSZ" => parse(options).map(|o: SubszOptions| {
                self.wrap(monitor.subsz(&SubszOptions { subscriptions: true, account: own, ..o }))
            }),
            "CONNZ" => parse(options)
                .map(|o: ConnzOptions| self.wrap(monitor.connz(&ConnzOptions { acc: own, ..o }))),
            "JSZ" => parse(options).map(|o: JszOptions| {
                self.wrap(monitor.jsz_account(JszOptions { account: own, ..o }))
            }),
            "INFO" => {
                let found = monitor.accountz(&AccountzOptions { account: own });
                Ok(self.wrap(found.map(|found| found.account_detail)))
            }
            "STATZ" => match parse(options) {
                Ok(o) => {
                    let wanted = AccountStatzOptions { accounts: vec![own], ..o };
                    self.account_stats(&wanted)
                }
                Err(error) => Err(error),
            },
            _ => return None,
        })
    }

    fn all_account_stats(&self, options: &Value) -> Option<Answered> {
        Some(parse(options).and_then(|options| self.account_stats(&options)))
    }

    /// Nothing is said of accounts without connections unless asked for.
    fn account_stats(&self, options: &AccountStatzOptions) -> Answered {
        let stats = self.monitor.account_statz(options);
        let silent = stats.account_statz.is_empty() && !options.include_unused;
        Ok(if silent { None } else { self.wrap(Ok(stats)) })
    }

    /// Closes one client (`kickClient`).
    fn kick(&self, options: &Value) -> Answered {
        let Kick { cid } = parse(options)?;
        let closed = match self.ctx.connections.get(cid) {
            Some(client) => {
                client.close(CloseReason::Kicked);
                Ok(())
            }
            None => Err(BadRequest(format!("no such client id: {cid}"))),
        };
        Ok(self.wrap(closed))
    }

    /// Who the asking client is (`userInfoReq`).
    fn user_info(&self, from: ConnId) -> Option<Vec<u8>> {
        let client = self.ctx.connections.get(from)?.snapshot(&self.ctx, WithSubs::Count);
        if let Some(claimed) = &client.claimed {
            return self.claimed_user_info(&client, claimed);
        }
        let options = self.options.load();
        let user = options.auth.users.iter().find(|u| u.username == client.authorized_user);
        let permissions = user.and_then(|user| user.permissions.as_deref());
        self.wrap(Ok(UserInfo {
            user: client.authorized_user.clone(),
            account_name: client.account.clone(),
            account: client.account,
            user_name: String::new(),
            permissions: permissions.map(PermissionsJson::from),
            expires_ns: 0,
        }))
    }

    fn claimed_user_info(&self, client: &ConnInfo, claimed: &ClaimedUser) -> Option<Vec<u8>> {
        let permissions = claimed.configured_permissions();
        let left = claimed.expires().map(|time| time.saturating_sub(now_unix_s()).max(0));
        self.wrap(Ok(UserInfo {
            user: client.authorized_user.clone(),
            account: client.account.clone(),
            account_name: claimed.account_name().to_owned(),
            user_name: claimed.name().to_owned(),
            permissions: permissions.as_ref().map(PermissionsJson::from),
            expires_ns: left.unwrap_or(0).saturating_mul(1_000_000_000),
        }))
    }
}

/// Reads the options of a request: nothing, or an object. Fields that are null say nothing.
fn read(payload: &[u8]) -> Result<Value, String> {
    if payload.trim_ascii().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let mut options: Value =
        serde_json::from_slice(payload).map_err(|error| format!("json: {error}"))?;
    if let Value::Object(fields) = &mut options {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(options)
}

fn parse<T: DeserializeOwned>(options: &Value) -> Result<T, String> {
    T::deserialize(options).map_err(|error| format!("json: cannot unmarshal: {error}"))
}

/// Who a client is (`server/events.go` `UserInfo`).
#[derive(Serialize)]
struct UserInfo {
    user: String,
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    account_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    user_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<PermissionsJson>,
    #[serde(rename = "expires", skip_serializing_if = "is_zero")]
    expires_ns: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What a user may do (`server/auth.go` `Permissions`).
#[derive(Serialize)]
struct PermissionsJson {
    publish: SubjectsJson,
    subscribe: SubjectsJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<ResponsesJson>,
}

#[derive(Serialize)]
struct SubjectsJson {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

#[derive(Serialize)]
struct ResponsesJson {
    max: i64,
    #[serde(rename = "ttl")]
    ttl_ns: i64,
}

impl From<&Permissions> for PermissionsJson {
    fn from(permissions: &Permissions) -> Self {
        PermissionsJson {
            publish: SubjectsJson::of(permissions.publish.as_ref()),
            subscribe: SubjectsJson::of(permissions.subscribe.as_ref()),
            responses: permissions.allow_responses.as_ref().map(ResponsesJson::from),
        }
    }
}

impl SubjectsJson {
    fn of(subjects: Option<&SubjectPermission>) -> Self {
        SubjectsJson {
            allow: subjects.and_then(|subjects| subjects.allow.clone()).unwrap_or_default(),
            deny: subjects.map(|subjects| subjects.deny.clone()).unwrap_or_default(),
        }
    }
}

impl From<&AllowResponses> for ResponsesJson {
    fn from(responses: &AllowResponses) -> Self {
        let ns = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        ResponsesJson {
            max: responses.max.map_or(-1, i64::from),
            ttl_ns: responses.expires.map_or(-1, ns),
        }
    }
}
