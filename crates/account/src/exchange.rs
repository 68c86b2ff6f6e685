//! Puts exports, imports and mappings of accounts to work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use config_validate::Options;
use config_validate::options::{
    AccountOptions, Export, Import, ResponseKind, ServiceExport, ServiceImport, StreamImport,
    SubjectMapping,
};
use routing::{Answers, Destination, Mappings, Rest, Rewrite, Share, Subscription, Target};

use crate::{Account, Accounts};

/// Time after which a missing answer is given up (`DEFAULT_SERVICE_EXPORT_RESPONSE_THRESHOLD`).
const DEFAULT_THRESHOLD: Duration = Duration::from_secs(120);

/// The services an account has on offer, as configured and as routing knows them.
type Offers<'a> = Vec<(&'a ServiceExport, Arc<routing::ServiceExport>)>;

impl Accounts {
    /// Puts what the options say about accounts to work: limits, imports, mappings. Clients that
    /// are connected feel it at once (`server/server.go` `configureAccounts`).
    pub fn apply(&self, options: &Options) {
        self.apply_where(options, |_| true);
    }

    /// As [`apply`](Self::apply), to accounts of which something changed, theirs or what they
    /// import.
    pub fn apply_where(&self, options: &Options, concerned: impl Fn(&str) -> bool) {
        let configured: HashMap<&str, &AccountOptions> =
            options.accounts.iter().map(|account| (&*account.name, account)).collect();
        let configured = |account: &Account| configured.get(account.name()).copied();
        let concerned = || self.iter().filter(|account| concerned(account.name()));
        for account in concerned() {
            match self.trust().and_then(|trust| trust.account(account.name())) {
                Some(claimed) => account.configure_tiers(configured(account), claimed.tiers()),
                None => account.configure(configured(account)),
            }
        }
        let offers: HashMap<&str, Offers<'_>> =
            options.accounts.iter().map(|account| (&*account.name, offers(account))).collect();
        for account in concerned() {
            let configured = configured(account);
            let imports = configured.map_or(&[][..], |configured| &configured.imports);
            self.import_services(account, imports, &offers);
            self.import_streams(account, imports);
            let mappings = configured.map_or(&[][..], |configured| &configured.mappings);
            account.space().set_mappings(mappings_of(mappings, options.cluster.name.as_deref()));
            account.set_mapped_subjects(mappings.iter().map(|m| m.source.clone()).collect());
        }
    }

    /// Takes accounts that are gone out of the exchange; `before` is the registry until now.
    pub fn retire_from(&self, before: &Accounts) {
        let gone = before.iter().filter(|old| self.get(old.name()).is_none());
        for account in gone {
            account.space().set_stream_imports(Vec::new());
            account.space().set_mappings(Mappings::new());
            let services = std::mem::take(&mut *account.service_imports.lock());
            account.space().replace_all(&services, &[]);
        }
    }

    fn import_streams(&self, account: &Account, imports: &[Import]) {
        let streams = imports.iter().filter_map(|import| match import {
            Import::Stream(import) => self.stream_import(import),
            Import::Service(_) => None,
        });
        account.space().set_stream_imports(streams.collect());
    }

    fn stream_import(&self, import: &StreamImport) -> Option<routing::StreamImport> {
        let exporter = self.get(&import.account)?;
        let to = import.local_subject();
        let transform = import.transform().ok()?;
        let (to, rewrite, reverse) = match transform {
            _ if to == import.subject => (to, Rewrite::Same, None),
            None => (to.clone(), Rewrite::Fixed(to.into_bytes().into()), None),
            Some(transform) => {
                let reverse = transform.reverse();
                (subject::unnumber_wildcards(&to), Rewrite::Tokens(transform), reverse)
            }
        };
        Some(routing::StreamImport {
            exporter: Arc::downgrade(exporter.space()),
            from: import.subject.as_bytes().into(),
            to: to.into_bytes().into(),
            rewrite,
            reverse,
        })
    }

    /// New subscriptions come before the old ones end, so that no request meets nobody.
    fn import_services(
        &self,
        account: &Account,
        imports: &[Import],
        offers: &HashMap<&str, Offers<'_>>,
    ) {
        let mut kept = account.service_imports.lock();
        let space = account.space();
        let services = imports.iter().filter_map(|import| match import {
            Import::Service(import) => self.service_import(import, offers),
            Import::Stream(_) => None,
        });
        let fresh: Vec<Arc<Subscription>> = services
            .map(|(pattern, import)| {
                Subscription::internal(pattern.as_bytes(), Target::Import(Arc::new(import)))
            })
            .collect();
        let old = std::mem::take(&mut *kept);
        // A request in between would otherwise be served twice.
        space.replace_all(&old, &fresh);
        *kept = fresh;
    }

    fn service_import(
        &self,
        import: &ServiceImport,
        offers: &HashMap<&str, Offers<'_>>,
    ) -> Option<(String, routing::ServiceImport)> {
        let exporter = self.get(&import.account)?;
        let offers = offers.get(&*import.account)?;
        let exact = offers.iter().find(|(offer, _)| offer.subject == import.subject);
        let covers = |offer: &ServiceExport| {
            subject::is_subset(import.subject.as_bytes(), offer.subject.as_bytes())
        };
        let (_, export) = exact.or_else(|| offers.iter().find(|(offer, _)| covers(offer)))?;
        let rewrite = match import.transform().ok()? {
            Some(transform) => Rewrite::Tokens(transform),
            None if subject::has_wildcards(import.subject.as_bytes()) => Rewrite::Same,
            None if import.to == import.subject => Rewrite::Same,
            None => Rewrite::Fixed(import.subject.as_bytes().into()),
        };
        let import_to = routing::ServiceImport {
            exporter: Arc::downgrade(exporter.space()),
            rewrite,
            export: Arc::clone(export),
            share: if import.share { Share::Details } else { Share::Account },
        };
        Some((import.local_pattern(), import_to))
    }
}

fn offers(account: &AccountOptions) -> Offers<'_> {
    let services = account.exports.iter().filter_map(|export| match export {
        Export::Service(export) => Some(export),
        Export::Stream(_) => None,
    });
    services
        .map(|export| {
            let answers = match export.response {
                ResponseKind::Single => Answers::One,
                ResponseKind::Stream | ResponseKind::Chunked => Answers::Many,
            };
            let threshold = export.threshold.unwrap_or(DEFAULT_THRESHOLD);
            (export, Arc::new(routing::ServiceExport { answers, threshold }))
        })
        .collect()
}

/// Mappings as they are on a server of this cluster: destinations for it, where there are some,
/// stand in for the general ones.
fn mappings_of(configured: &[SubjectMapping], cluster: Option<&str>) -> Mappings {
    let mut mappings = Mappings::new();
    for mapping in configured {
        let of = |cluster: Option<&str>| {
            let chosen = mapping.destinations.iter().filter(|d| d.cluster.as_deref() == cluster);
            chosen
                .map(|d| Destination { subject: d.subject.clone(), weight: d.weight })
                .collect::<Vec<_>>()
        };
        let own = cluster.map(|name| of(Some(name))).unwrap_or_default();
        let chosen = if own.is_empty() { of(None) } else { own };
        let names_source = mapping.destinations.iter().any(|d| d.subject == mapping.source);
        let rest = if names_source { Rest::Lost } else { Rest::ToSource };
        // They were checked when the options were read.
        let _ = mappings.add(&mapping.source, &chosen, rest);
    }
    mappings
}
