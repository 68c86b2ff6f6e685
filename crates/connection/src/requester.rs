//! What services of other accounts are told about a client.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use routing::{Requester, Share};
use serde_json::Value;
use types::advisory::ClientInfo;

use crate::{Conn, ServerCtx, WithSubs};

/// A client as the one who asks.
pub(crate) struct ConnRequester {
    pub(crate) ctx: Arc<ServerCtx>,
    pub(crate) conn: Arc<Conn>,
}

impl Conn {
    /// The client as advisories and `Nats-Request-Info` show it (`server/client.go`
    /// `getClientInfo`).
    pub fn client_info(&self, ctx: &ServerCtx) -> ClientInfo {
        let info = self.snapshot(ctx, WithSubs::Count);
        let rtt = info.rtt.unwrap_or_default().as_nanos();
        ClientInfo {
            start: Some(info.start),
            host: info.ip,
            id: info.cid,
            account: info.account,
            user: info.authorized_user,
            name: info.name,
            lang: info.lang,
            version: info.version,
            rtt_ns: i64::try_from(rtt).unwrap_or(i64::MAX),
            server: ctx.info.load().server_name.clone(),
            kind: info.kind.to_owned(),
            client_type: info.protocol.to_owned(),
        }
    }
}

impl Requester for ConnRequester {
    fn describe(&self, share: Share, previous: Option<&[u8]>, via: &str) -> Option<Vec<u8>> {
        if let Some(Value::Object(mut known)) =
            previous.and_then(|json| serde_json::from_slice(json).ok())
        {
            known.insert("svc".to_owned(), Value::from(via));
            return serde_json::to_vec(&known).ok();
        }
        let info = match share {
            Share::Details => self.conn.client_info(&self.ctx),
            Share::Account => ClientInfo {
                account: self.conn.details.lock().account.name().to_owned(),
                rtt_ns: i64::try_from(self.conn.rtt_ns.load(Ordering::Relaxed)).unwrap_or(0),
                ..ClientInfo::default()
            },
        };
        serde_json::to_vec(&info).ok()
    }
}
