//! A connection at one moment, for monitoring.

use std::sync::Arc;
use std::time::Duration;

use account::ClaimedUser;
use types::Timestamp;
use wire::CloseReason;

use crate::conn::Conn;
use crate::{ServerCtx, stats};

/// A connection at one moment (`server/monitor.go` `ConnInfo`).
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// Connection id.
    pub cid: u64,
    /// Kind of peer.
    pub kind: &'static str,
    /// Protocol it speaks.
    pub protocol: &'static str,
    /// Address it came from.
    pub ip: String,
    /// Port it came from.
    pub port: u16,
    /// When it was accepted.
    pub start: Timestamp,
    /// When it last sent something, or subscribed.
    pub last_activity: Timestamp,
    /// When it ended, if it has.
    pub stop: Option<Timestamp>,
    /// Why it ended, if it has.
    pub reason: Option<CloseReason>,
    /// Round trip time; `None` is not measured yet.
    pub rtt: Option<Duration>,
    /// Time since it was accepted, or until it ended.
    pub uptime: Duration,
    /// Time since its last activity, or from there to its end.
    pub idle: Duration,
    /// Bytes that wait to be sent to it.
    pub pending_bytes: usize,
    /// Messages and bytes.
    pub traffic: stats::Traffic,
    /// Times it was made to wait as a publisher.
    pub stalls: u64,
    /// Number of subscriptions.
    pub num_subs: usize,
    /// `name` of CONNECT.
    pub name: String,
    /// `lang` of CONNECT.
    pub lang: String,
    /// `version` of CONNECT.
    pub version: String,
    /// Who it is; empty when it presented nothing.
    pub authorized_user: String,
    /// Its account.
    pub account: String,
    /// Its user's token, in operator mode.
    pub claimed: Option<Arc<ClaimedUser>>,
    /// Its subscriptions, when asked for, in the order of their ids.
    pub subs: Vec<SubInfo>,
}

/// A subscription at one moment (`server/monitor.go` `SubDetail`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubInfo {
    /// Subject.
    pub subject: String,
    /// Queue group, if any.
    pub queue: Option<String>,
    /// The client's id for it.
    pub sid: String,
    /// Messages delivered.
    pub msgs: u64,
    /// Messages after which it ends; 0 is never.
    pub max: u64,
}

/// Whether a snapshot lists subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithSubs {
    /// It only counts them.
    Count,
    /// It lists them.
    List,
}

impl Conn {
    /// What it looks like now.
    pub fn snapshot(&self, ctx: &ServerCtx, with: WithSubs) -> ConnInfo {
        let now_ns = ctx.now_ns();
        let last_ns = stats::get(&self.last_activity_ns);
        let details = self.details.lock();
        let live = || details.subs.values().filter(|sub| !sub.is_closed());
        let mut subs: Vec<SubInfo> = match with {
            WithSubs::Count => Vec::new(),
            WithSubs::List => live().map(|sub| SubInfo::of(sub)).collect(),
        };
        subs.sort_by(|a, b| (a.sid.len(), &a.sid).cmp(&(b.sid.len(), &b.sid)));
        ConnInfo {
            cid: self.id(),
            kind: "Client",
            protocol: "nats",
            ip: self.ip.to_string(),
            port: self.peer.port(),
            start: ctx.wall(self.start_ns),
            last_activity: ctx.wall(last_ns),
            stop: None,
            reason: None,
            rtt: Some(stats::get(&self.rtt_ns)).filter(|&ns| ns > 0).map(Duration::from_nanos),
            uptime: Duration::from_nanos(now_ns.saturating_sub(self.start_ns)),
            idle: Duration::from_nanos(now_ns.saturating_sub(last_ns)),
            pending_bytes: self.pending_bytes(),
            traffic: self.traffic(),
            stalls: stats::get(&self.stalls),
            num_subs: live().count(),
            name: details.name.clone(),
            lang: details.lang.clone(),
            version: details.version.clone(),
            authorized_user: details.user.clone(),
            account: details.account.name().to_owned(),
            claimed: details.claimed.clone(),
            subs,
        }
    }
}

impl SubInfo {
    /// What a subscription looks like now.
    pub fn of(sub: &routing::Subscription) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        SubInfo {
            subject: text(&sub.pattern),
            queue: sub.queue.as_deref().map(text),
            sid: text(&sub.sid),
            msgs: sub.delivered(),
            max: sub.max(),
        }
    }
}
