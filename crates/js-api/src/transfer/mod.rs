//! Snapshots and restores: requests that are followed by a transfer, each with a thread of its
//! own for as long as it lasts.

pub(crate) mod restore;
pub(crate) mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use js_engine::{Engine, Ids};
use routing::{Msg, RouteBatch, Service, SubjectSpace, Subscription, Target};
use types::advisory::{Advisory, ClientInfo};
use types::{ApiError, ApiErrorDef, Timestamp};

use crate::api::Job;

/// Most snapshots, and most restores, at a time; further ones are refused.
const MOST_AT_ONCE: usize = 16;

/// How many transfers are under way.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    snapshots: AtomicUsize,
    restores: AtomicUsize,
}

/// Which transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Snapshot,
    Restore,
}

/// One of the places for transfers; given back with its drop.
struct Place {
    transfers: Arc<Transfers>,
    direction: Direction,
}

impl Transfers {
    fn count(&self, direction: Direction) -> &AtomicUsize {
        match direction {
            Direction::Snapshot => &self.snapshots,
            Direction::Restore => &self.restores,
        }
    }

    fn enter(self: &Arc<Self>, direction: Direction) -> Option<Place> {
        let count = self.count(direction);
        let place = Place { transfers: Arc::clone(self), direction };
        // Given back by the drop where there are too many.
        (count.fetch_add(1, Ordering::Relaxed) < MOST_AT_ONCE).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.transfers.count(self.direction).fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a transfer needs of the server once its request is answered.
struct Party {
    engine: Arc<Engine>,
    space: Arc<SubjectSpace>,
    client: Box<ClientInfo>,
    start: Timestamp,
}

impl Party {
    fn new(job: &Job<'_>) -> Self {
        Party {
            engine: Arc::clone(job.engine),
            space: Arc::clone(job.account.space()),
            client: Box::new((job.client)()),
            start: job.engine.now(),
        }
    }

    fn now(&self) -> Timestamp {
        self.engine.now()
    }

    fn ids(&self) -> &Ids {
        self.engine.ids()
    }

    fn domain(&self) -> String {
        self.engine.settings().domain.clone()
    }

    fn advise(&self, advisory: &Advisory) {
        let subject = advisory.subject();
        if self.space.has_interest(subject.as_bytes()) {
            let body = advisory.to_json(&self.ids().next_id(), self.now());
            self.send(subject.as_bytes(), b"", b"", &body);
        }
    }

    fn send(&self, subject: &[u8], reply: &[u8], headers: &[u8], payload: &[u8]) {
        let mut route = RouteBatch::new();
        route.publish(&self.space, &Msg { subject, reply, headers, payload }, 0);
        route.finish();
    }
}

/// A subscription of a transfer; ends with its drop.
struct Listening {
    space: Arc<SubjectSpace>,
    subscription: Arc<Subscription>,
}

impl Listening {
    /// Lets a service answer on `pattern`.
    fn new(
        space: &Arc<SubjectSpace>,
        pattern: &str,
        service: Arc<dyn Service>,
        refusal: ApiErrorDef,
    ) -> Result<Self, ApiError> {
        let subscription = Subscription::internal(pattern.as_bytes(), Target::Service(service));
        match space.subscribe(&subscription) {
            Ok(()) => Ok(Listening { space: Arc::clone(space), subscription }),
            Err(_) => Err(refusal.with_all(&[&pattern, &"invalid subject"])),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.space.unsubscribe(&self.subscription);
    }
}

/// Runs a transfer on a thread of its own; false where the system gives none.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> bool {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).is_ok()
}
