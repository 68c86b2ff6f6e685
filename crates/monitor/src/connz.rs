//! `/connz`: the connections.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::query::{BadRequest, Query};
use crate::text::is_default;

/// Connections listed when no limit is given (`DefaultConnListSize`).
const DEFAULT_LIMIT: usize = 1024;

/// The answer (`server/monitor.go` `Connz`).
#[derive(Debug, Clone, Serialize)]
pub struct Connz {
    /// Server id.
    pub server_id: String,
    /// Now.
    pub now: Timestamp,
    /// Connections listed.
    pub num_connections: usize,
    /// Connections there are.
    pub total: usize,
    /// Connections left out at the start.
    pub offset: usize,
    /// Most connections listed.
    pub limit: usize,
    /// The connections.
    pub connections: Vec<ConnInfo>,
}

/// One connection (`ConnInfo`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConnInfo {
    /// Connection id.
    pub cid: u64,
    /// `Client`, `Router` and so on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// `nats`, `mqtt` or `websocket`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub client_type: String,
    /// Address of the client.
    pub ip: String,
    /// Port of the client.
    pub port: u16,
    /// When it connected.
    pub start: Timestamp,
    /// When it last sent or got something.
    pub last_activity: Timestamp,
    /// When it closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Timestamp>,
    /// Why it closed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Round trip time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rtt: String,
    /// Time since it connected.
    pub uptime: String,
    /// Time since it was active.
    pub idle: String,
    /// Bytes waiting to be sent.
    pub pending_bytes: u64,
    /// Messages received from it.
    pub in_msgs: u64,
    /// Messages sent to it.
    pub out_msgs: u64,
    /// Payload bytes received from it.
    pub in_bytes: u64,
    /// Payload bytes sent to it.
    pub out_bytes: u64,
    /// Times it was held up.
    #[serde(skip_serializing_if = "is_default")]
    pub stalls: u64,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Name from CONNECT.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Language from CONNECT.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lang: String,
    /// Client version from CONNECT.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Who it is, when asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authorized_user: String,
    /// Its user's token, when asked for, unless that alone lets anybody in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<String>,
    /// The key that signed that token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_key: Option<String>,
    /// Name tag of its account, when asked for, or its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_tag: String,
    /// Tags of its token, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its account, when asked for and not the global one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// Subjects of its subscriptions, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions_list: Vec<String>,
    /// Its subscriptions, when asked for in detail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions_list_detail: Vec<SubDetail>,
    /// Round trip time in nanoseconds, for sorting.
    #[serde(skip)]
    pub rtt_ns: u64,
}

/// One subscription (`SubDetail`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SubDetail {
    /// Account, where subscriptions of several are listed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// Name tag of the account: none, so its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account_tag: String,
    /// Subject or pattern.
    pub subject: String,
    /// Queue group.
    #[serde(rename = "qgroup", skip_serializing_if = "String::is_empty")]
    pub queue: String,
    /// The client's id for it.
    pub sid: String,
    /// Messages delivered.
    pub msgs: u64,
    /// Most messages to deliver.
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    /// Connection id.
    pub cid: u64,
}

/// Which connections, by their state; a number in the system account's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub enum ConnState {
    /// Open ones.
    #[default]
    Open,
    /// Closed ones.
    Closed,
    /// Both.
    All,
}

impl TryFrom<i64> for ConnState {
    type Error = String;

    fn try_from(state: i64) -> Result<Self, String> {
        match state {
            0 => Ok(ConnState::Open),
            1 => Ok(ConnState::Closed),
            2 => Ok(ConnState::All),
            other => Err(format!("unknown connection state {other}")),
        }
    }
}

/// What is asked for (`ConnzOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConnzOptions {
    /// Order; empty is by connection id.
    pub sort: String,
    /// Say who each connection is.
    pub auth: bool,
    /// List subjects of subscriptions.
    pub subscriptions: bool,
    /// List subscriptions.
    pub subscriptions_detail: bool,
    /// Connections to leave out at the start.
    pub offset: i64,
    /// Most connections to list; 0 is the default.
    pub limit: i64,
    /// Only this connection.
    pub cid: u64,
    /// Only connections in this state.
    pub state: ConnState,
    /// Only connections of this user.
    pub user: String,
    /// Only connections of this account.
    pub acc: String,
    /// Only connections with a subscription that overlaps; needs `acc`.
    pub filter_subject: String,
}

impl ConnzOptions {
    pub(crate) fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        let auth = query.flag("auth")?;
        let detail = query.text("subs").eq_ignore_ascii_case("detail");
        Ok(ConnzOptions {
            sort: query.text("sort"),
            auth,
            subscriptions: !detail && query.flag("subs")?,
            subscriptions_detail: detail,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            cid: query.uint("cid")?,
            state: state(&query.text("state"))?,
            user: query.text("user"),
            acc: query.text("acc"),
            filter_subject: String::new(),
        })
    }
}

fn state(text: &str) -> Result<ConnState, BadRequest> {
    match &*text.to_lowercase() {
        "" | "open" => Ok(ConnState::Open),
        "closed" => Ok(ConnState::Closed),
        "any" | "all" => Ok(ConnState::All),
        _ => Err(BadRequest(format!("Error decoding state for {text}"))),
    }
}

/// Order of the list (`SortOpt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Cid,
    Subs,
    Pending,
    MsgsTo,
    MsgsFrom,
    BytesTo,
    BytesFrom,
    Last,
    Idle,
    Uptime,
    Stop,
    Reason,
    Rtt,
}

/// Refuses options that contradict each other; answers the order.
pub(crate) fn check(options: &ConnzOptions) -> Result<Sort, BadRequest> {
    let closed = options.state == ConnState::Closed;
    let sort = match &*options.sort {
        "" | "cid" | "start" => Sort::Cid,
        "subs" => Sort::Subs,
        "pending" => Sort::Pending,
        "msgs_to" => Sort::MsgsTo,
        "msgs_from" => Sort::MsgsFrom,
        "bytes_to" => Sort::BytesTo,
        "bytes_from" => Sort::BytesFrom,
        "last" => Sort::Last,
        "idle" => Sort::Idle,
        "uptime" => Sort::Uptime,
        "stop" if closed => Sort::Stop,
        "reason" if closed => Sort::Reason,
        "stop" | "reason" => {
            let text = format!("sort by {} only valid on closed connections", options.sort);
            return Err(BadRequest(text));
        }
        "rtt" => Sort::Rtt,
        other => return Err(BadRequest(format!("invalid sorting option: {other}"))),
    };
    if !matches!(&*options.filter_subject, "" | ">") && options.acc.is_empty() {
        let text = "filter by subject only valid with account filtering";
        return Err(BadRequest(text.to_owned()));
    }
    Ok(sort)
}

/// Sorts, cuts and wraps the connections that were picked; `total` counts those before the pick.
pub(crate) fn page(
    server_id: &str,
    now: Timestamp,
    options: &ConnzOptions,
    sort: Sort,
    total: usize,
    mut picked: Vec<ConnInfo>,
) -> Connz {
    picked.sort_by(|a, b| compare(sort, now, a, b));
    let offset = usize::try_from(options.offset).unwrap_or(0);
    let limit = match usize::try_from(options.limit) {
        _ if options.cid > 0 => 1,
        Ok(0) | Err(_) => DEFAULT_LIMIT,
        Ok(limit) => limit,
    };
    let connections: Vec<ConnInfo> = picked.into_iter().skip(offset).take(limit).collect();
    Connz {
        server_id: server_id.to_owned(),
        now,
        num_connections: connections.len(),
        total,
        offset,
        limit,
        connections,
    }
}

/// Most first, except by id, uptime and reason.
fn compare(sort: Sort, now: Timestamp, a: &ConnInfo, b: &ConnInfo) -> Ordering {
    let lifetime = |c: &ConnInfo| c.stop.unwrap_or(now).unix_ns().saturating_sub(c.start.unix_ns());
    match sort {
        Sort::Cid => a.cid.cmp(&b.cid),
        Sort::Subs => b.subscriptions.cmp(&a.subscriptions),
        Sort::Pending => b.pending_bytes.cmp(&a.pending_bytes),
        Sort::MsgsTo => b.out_msgs.cmp(&a.out_msgs),
        Sort::MsgsFrom => b.in_msgs.cmp(&a.in_msgs),
        Sort::BytesTo => b.out_bytes.cmp(&a.out_bytes),
        Sort::BytesFrom => b.in_bytes.cmp(&a.in_bytes),
        Sort::Last => b.last_activity.cmp(&a.last_activity),
        // Idle longest first is active longest ago.
        Sort::Idle => a.last_activity.cmp(&b.last_activity),
        Sort::Uptime => lifetime(a).cmp(&lifetime(b)),
        Sort::Stop => b.stop.cmp(&a.stop),
        Sort::Reason => a.reason.cmp(&b.reason),
        Sort::Rtt => b.rtt_ns.cmp(&a.rtt_ns),
    }
}
