//! An account's access to the JetStream API: the import from the system account, and the
//! subjects of the domain.

use std::sync::Arc;

use routing::{ConnId, Msg, RouteBatch, Service, SubjectSpace, Subscription, Target};

use super::{EnrolError, JetStreamHost};
use crate::Account;

/// The whole API.
pub const API_EXPORT: &str = "$JS.API.>";
/// The one subject that every account can ask.
const INFO: &str = "$JS.API.INFO";

/// What lies behind the domain's prefix, and where it leads (`generateJSMappingTable` in
/// `server/jetstream.go`): below `$JS.API.`, or at the top.
const DOMAIN_TABLE: [(&str, &str); 9] = [
    ("INFO", "$JS.API."),
    ("STREAM.>", "$JS.API."),
    ("CONSUMER.>", "$JS.API."),
    ("DIRECT.>", "$JS.API."),
    ("META.>", "$JS.API."),
    ("SERVER.>", "$JS.API."),
    ("ACCOUNT.>", "$JS.API."),
    ("$KV.>", ""),
    ("$OBJ.>", ""),
];

/// Subscriptions that lead into the API; each is there at most once.
#[derive(Default)]
pub(crate) struct Access {
    /// Whether the account imports the API of the system account.
    imports: bool,
    api: Vec<Arc<Subscription>>,
    /// By source subject.
    domain: Vec<Arc<Subscription>>,
}

impl Account {
    /// Gives the account the JetStream API, and with a domain the API under its prefix. What is
    /// there already stays; a mapping of the account's own under the same subject wins.
    ///
    /// Wire source: `enableAllJetStreamServiceImportsAndMappings` in `server/jetstream.go`.
    ///
    /// # Errors
    /// Without an owning server, or where the system account does not export the API.
    pub fn enable_all_jetstream_service_imports_and_mappings(&self) -> Result<(), EnrolError> {
        let host = self.host().ok_or(EnrolError::NotRegistered)?;
        // Held throughout: two that do the same at a time must not do it twice.
        let mut access = self.access.lock();
        if !access.imports {
            let system = host.system().ok_or(EnrolError::Imports("account missing"))?;
            if !system.exports_service(API_EXPORT) {
                return Err(EnrolError::Imports("service import not authorized"));
            }
            access.imports = true;
        }
        mark::hit!(F1384);
        self.subscribe_api(&mut access, &host);
        self.map_domain(&mut access, &host);
        Ok(())
    }

    fn subscribe_api(&self, access: &mut Access, host: &JetStreamHost) {
        let Some(api) = host.api().filter(|_| access.api.is_empty()) else { return };
        let service = api.service(self.name());
        for subject in api.subjects() {
            let sub = internal(subject, Arc::clone(&service));
            match self.space().subscribe(&sub) {
                Ok(()) => access.api.push(sub),
                // They are constant.
                Err(_) => tracing::error!("{subject:?} is not a subject"),
            }
        }
    }

    fn map_domain(&self, access: &mut Access, host: &JetStreamHost) {
        let Some(domain) = host.domain() else { return };
        let prefix = format!("$JS.{domain}.API.");
        let own = self.mapped_subjects();
        for (rest, to) in DOMAIN_TABLE {
            let source = format!("{prefix}{rest}");
            let known = access.domain.iter().any(|sub| *sub.pattern == *source.as_bytes());
            if known || own.contains(&source) {
                continue;
            }
            let service = DomainMapping { prefix_len: prefix.len(), to };
            let sub = internal(&source, Arc::new(service));
            match self.space().subscribe(&sub) {
                Ok(()) => access.domain.push(sub),
                Err(error) => {
                    tracing::error!("Error adding JetStream domain mapping: {error:?}");
                }
            }
        }
    }

    /// Lets an account without JetStream be told so, unless what it imports itself answers.
    ///
    /// Wire source: `enableJetStreamInfoServiceImportOnly` in `server/jetstream.go`; as there, it
    /// gets the whole API.
    ///
    /// # Errors
    /// As [`Self::enable_all_jetstream_service_imports_and_mappings`].
    pub fn enable_jetstream_info_service_import_only(&self) -> Result<(), EnrolError> {
        mark::hit!(F1385);
        let shadowed = self
            .service_imports
            .lock()
            .iter()
            .any(|import| subject::is_subset(INFO.as_bytes(), &import.pattern));
        if shadowed {
            self.leave_jetstream_api();
            return Ok(());
        }
        self.enable_all_jetstream_service_imports_and_mappings()
    }

    /// Takes the API's subscriptions back: JetStream has gone from the server, or the account
    /// from the registry.
    pub fn leave_jetstream_api(&self) {
        let mut access = self.access.lock();
        let gone: Vec<_> = std::mem::take(&mut *access).into_subscriptions().collect();
        self.space().unsubscribe_all(&gone);
    }

    /// Subscriptions that it takes here to lead into the JetStream API, beyond the one import that
    /// it is to others: reports leave them out.
    pub fn jetstream_api_surplus(&self) -> usize {
        let access = self.access.lock();
        access.api.len().saturating_sub(1) + access.domain.len()
    }

    /// What leads into the JetStream API, for reports: whether the API is imported, and the
    /// domain's subjects.
    pub fn jetstream_access(&self) -> (bool, Vec<String>) {
        let access = self.access.lock();
        let text = |sub: &Arc<Subscription>| String::from_utf8_lossy(&sub.pattern).into_owned();
        (access.imports, access.domain.iter().map(text).collect())
    }
}

impl Access {
    fn into_subscriptions(self) -> impl Iterator<Item = Arc<Subscription>> {
        self.api.into_iter().chain(self.domain)
    }
}

fn internal(subject: &str, service: Arc<dyn Service>) -> Arc<Subscription> {
    Subscription::internal(subject.as_bytes(), Target::Service(service))
}

/// Takes a subject of the domain for the one it stands for.
struct DomainMapping {
    prefix_len: usize,
    to: &'static str,
}

impl Service for DomainMapping {
    fn call(&self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId) {
        let Some(rest) = msg.subject.get(self.prefix_len..) else { return };
        let subject = [self.to.as_bytes(), rest].concat();
        let mut route = RouteBatch::new();
        route.publish(space, &Msg { subject: &subject, ..*msg }, from);
        route.finish();
    }
}
