//! The server's services in the system account, and what other accounts may ask of it.
//!
//! Requests `$SYS.REQ.SERVER.PING.VARZ` and their like are answered with the same documents as the
//! monitoring endpoint's, in an envelope that says which server it is
//! (`server/events.go` `initEventTracking`).

mod envelope;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use account::Accounts;
use config_validate::Options;
use connection::ServerCtx;
use monitor::Monitor;
use routing::{ConnId, Msg, RouteBatch, Service, SubjectSpace};
use tokio::runtime::Handle;

use crate::services::Services;
use requests::{ACCOUNT_KINDS, Asker, SERVER_KINDS};

/// Requests answered at the same time; more are dropped.
const MAX_INFLIGHT: usize = 1024;

/// Puts the services into all accounts. Must be called within a tokio runtime, whose blocking
/// threads then do the work.
pub(crate) fn serve(
    ctx: &Arc<ServerCtx>,
    options: &Arc<Options>,
    monitor: &Arc<Monitor>,
    accounts: &Accounts,
) -> Services {
    let mut services = Services::default();
    let shared = Arc::new(Shared {
        ctx: Arc::clone(ctx),
        options: Arc::clone(options),
        monitor: Arc::clone(monitor),
        runtime: Handle::current(),
        sequence: AtomicU64::new(0),
        inflight: AtomicUsize::new(0),
    });
    for account in accounts.iter() {
        let asker = match accounts.is_system(account) {
            true => Asker::System,
            false => Asker::Account(account.name().to_owned()),
        };
        let id = ctx.info.load().server_id.clone();
        let subjects = match asker {
            Asker::System => system_subjects(&id),
            Asker::Account(_) => account_subjects(),
        };
        let service: Arc<dyn Service> =
            Arc::new(SystemService { asker, shared: Arc::clone(&shared) });
        for subject in subjects {
            services.add(account.space(), &subject, Arc::clone(&service));
        }
    }
    services
}

fn system_subjects(id: &str) -> Vec<String> {
    let mut subjects = vec![
        "$SYS.REQ.SERVER.PING".to_owned(),
        "$SYS.REQ.USER.INFO".to_owned(),
        format!("$SYS.REQ.SERVER.{id}.KICK"),
    ];
    for kind in SERVER_KINDS {
        subjects.push(format!("$SYS.REQ.SERVER.PING.{kind}"));
        subjects.push(format!("$SYS.REQ.SERVER.{id}.{kind}"));
    }
    for kind in ACCOUNT_KINDS {
        subjects.push(format!("$SYS.REQ.ACCOUNT.*.{kind}"));
    }
    subjects
}

/// What every account imports of the system account (`addSystemAccountExports` and its like).
fn account_subjects() -> Vec<String> {
    [
        "$SYS.REQ.USER.INFO",
        "$SYS.REQ.ACCOUNT.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.PING.STATZ",
        "$SYS.REQ.SERVER.PING.CONNZ",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// What answers need.
struct Shared {
    ctx: Arc<ServerCtx>,
    options: Arc<Options>,
    monitor: Arc<Monitor>,
    runtime: Handle,
    sequence: AtomicU64,
    inflight: AtomicUsize,
}

struct SystemService {
    asker: Asker,
    shared: Arc<Shared>,
}

impl Service for SystemService {
    fn call(&self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId) {
        let shared = Arc::clone(&self.shared);
        if shared.inflight.fetch_add(1, Ordering::Relaxed) >= MAX_INFLIGHT {
            shared.inflight.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let asker = self.asker.clone();
        let space = Arc::clone(space);
        let subject = String::from_utf8_lossy(msg.subject).into_owned();
        let (reply, payload) = (msg.reply.to_vec(), msg.payload.to_vec());
        // Answers may wait for shards and read files: not on the publisher's thread.
        self.shared.runtime.clone().spawn_blocking(move || {
            let answer = requests::answer(&shared, &asker, &subject, &payload, from);
            shared.inflight.fetch_sub(1, Ordering::Relaxed);
            if let Some(json) = answer.filter(|_| !reply.is_empty()) {
                let mut route = RouteBatch::new();
                let msg = Msg { subject: &reply, reply: b"", headers: b"", payload: &json };
                route.publish(&space, &msg, 0);
                route.finish();
            }
        });
    }
}
