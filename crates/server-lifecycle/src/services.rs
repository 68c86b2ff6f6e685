//! The server's own subscriptions.

use std::sync::Arc;

use routing::{Service, SubjectSpace, Subscription, Target};

/// The server's own subscriptions; they end when this is dropped, and what serves them is freed.
#[derive(Default)]
pub(crate) struct Services {
    all: Vec<(Arc<SubjectSpace>, Arc<Subscription>)>,
}

impl Services {
    /// Lets `service` answer on `subject` in an account.
    pub(crate) fn add(
        &mut self,
        space: &Arc<SubjectSpace>,
        subject: &str,
        service: Arc<dyn Service>,
    ) {
        let subscription = Subscription::internal(subject.as_bytes(), Target::Service(service));
        match space.subscribe(&subscription) {
            Ok(()) => self.all.push((Arc::clone(space), subscription)),
            // Subjects are constant but for names that were checked.
            Err(_) => tracing::error!("{subject:?} is not a subject"),
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for (space, subscription) in self.all.drain(..) {
            space.unsubscribe(&subscription);
        }
    }
}
