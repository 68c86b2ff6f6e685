//! Answers that an account owes to requests from other accounts.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::{ServiceExport, SubjectSpace};

/// What the reply subjects start with that stand for those of other accounts.
pub(crate) const REPLY_PREFIX: &[u8] = b"_R_.";
/// Length of the account's own token, and of the token of one request.
const TOKEN_LEN: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Fewest answers between two sweeps for those that never came.
const MIN_SWEEP: usize = 256;

/// The answers that an account owes (`server/accounts.go` `exportMap.responses`).
pub(crate) struct Responses {
    seed: RandomState,
    next: AtomicU64,
    prefix: Box<[u8]>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    map: HashMap<Box<[u8]>, Response, RandomState>,
    sweep_at: usize,
}

/// One answer that is owed.
#[derive(Clone)]
pub(crate) struct Response {
    /// Who asked.
    pub(crate) space: Weak<SubjectSpace>,
    /// The reply subject there.
    pub(crate) to: Arc<[u8]>,
    /// The service that was asked.
    pub(crate) export: Arc<ServiceExport>,
    since: Instant,
}

impl Response {
    fn is_overdue(&self, now: Instant) -> bool {
        now.duration_since(self.since) > self.export.threshold
    }
}

impl Responses {
    pub(crate) fn new() -> Self {
        let seed = RandomState::default();
        let mut prefix = REPLY_PREFIX.to_vec();
        push_token(&mut prefix, seed.hash_one(u64::MAX));
        prefix.push(b'.');
        Responses {
            seed,
            next: AtomicU64::new(0),
            prefix: prefix.into(),
            pending: Mutex::default(),
        }
    }

    /// The pattern of all reply subjects of this account.
    pub(crate) fn pattern(&self) -> Vec<u8> {
        [&*self.prefix, b">"].concat()
    }

    /// Notes that an answer is owed; the reply subject that stands for it, and whether it is the
    /// first ever.
    pub(crate) fn add(
        &self,
        space: Weak<SubjectSpace>,
        to: &[u8],
        export: &Arc<ServiceExport>,
    ) -> (Vec<u8>, bool) {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let response = Response { space, to: to.into(), export: Arc::clone(export), since: now };
        let mut pending = self.pending.lock();
        if pending.map.len() >= pending.sweep_at {
            pending.map.retain(|_, response| !response.is_overdue(now));
            pending.sweep_at = (pending.map.len() * 2).max(MIN_SWEEP);
        }
        let mut draw = self.seed.hash_one(nth);
        loop {
            let mut reply = Vec::with_capacity(self.prefix.len() + TOKEN_LEN);
            reply.extend_from_slice(&self.prefix);
            push_token(&mut reply, draw);
            if !pending.map.contains_key(&*reply) {
                pending.map.insert(reply.as_slice().into(), response);
                return (reply, nth == 0);
            }
            draw = self.seed.hash_one(draw);
        }
    }

    /// The answer that is owed on a reply subject.
    pub(crate) fn get(&self, reply: &[u8]) -> Option<Response> {
        let mut pending = self.pending.lock();
        let response = pending.map.get(reply)?;
        if response.is_overdue(Instant::now()) {
            pending.map.remove(reply);
            return None;
        }
        Some(response.clone())
    }

    /// More may follow: the time starts anew.
    pub(crate) fn touch(&self, reply: &[u8]) {
        if let Some(response) = self.pending.lock().map.get_mut(reply) {
            response.since = Instant::now();
        }
    }

    pub(crate) fn remove(&self, reply: &[u8]) {
        self.pending.lock().map.remove(reply);
    }

    /// Answers owed and not overdue.
    pub(crate) fn len(&self) -> usize {
        let now = Instant::now();
        self.pending.lock().map.values().filter(|response| !response.is_overdue(now)).count()
    }

    /// Ends the wait for what is overdue.
    pub(crate) fn expire(&self) {
        let now = Instant::now();
        self.pending.lock().map.retain(|_, response| !response.is_overdue(now));
    }
}

fn push_token(out: &mut Vec<u8>, mut number: u64) {
    for _ in 0..TOKEN_LEN {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        out.push(DIGITS.get(digit).copied().unwrap_or(b'0'));
        number /= 62;
    }
}
