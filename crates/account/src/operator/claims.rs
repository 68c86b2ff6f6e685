//! What an account's token says, as if it stood in a configuration.
//!
//! Wire source: `updateAccountClaimsWithRefresh` in `server/accounts.go`.

use std::sync::Arc;
use std::time::Duration;

use config_validate::options::{
    AccountLimits, AccountOptions, AllowResponses, ClusterTraffic, Export, Import,
    JetStreamAccountLimits, MappingDestination, MsgTrace, Permissions, ResponseKind, ServiceExport,
    ServiceImport, ServiceLatency, StreamExport, StreamImport, SubjectMapping, SubjectPermission,
};
use jwt::{AccountClaims, ExportKind, JetStreamLimits, UnixSeconds};

use super::Trust;
use crate::TierLimits;

/// The options of an account, and when a permission to import ends that they rely on.
pub(super) fn options_of(
    trust: &Trust,
    name: &str,
    claims: &AccountClaims,
    now: UnixSeconds,
) -> (AccountOptions, Option<UnixSeconds>) {
    let nats = &claims.nats;
    let mut changes_at: Option<UnixSeconds> = None;
    let permitted = nats.imports.iter().filter(|import| {
        let Some(until) = permission(trust, name, import, now) else { return false };
        changes_at = changes_at.into_iter().chain(until).min();
        true
    });
    let imports = permitted.filter_map(import_of).collect();
    let limits = &nats.limits;
    let options = AccountOptions {
        jetstream: None,
        cluster_traffic: match &*nats.cluster_traffic {
            "owner" => ClusterTraffic::Owner,
            _ => ClusterTraffic::System,
        },
        limits: AccountLimits {
            max_connections: at_most(limits.conn),
            max_subscriptions: at_most(limits.subs),
            max_payload: at_most(limits.payload),
            max_leafnodes: at_most(limits.leaf),
        },
        default_permissions: permissions_of(&nats.default_permissions).map(Arc::new),
        exports: nats.exports.iter().filter_map(export_of).collect(),
        imports,
        mappings: mappings_of(claims),
        msg_trace: trace_of(claims),
        ..AccountOptions::named(name)
    };
    (options, changes_at)
}

/// Whether the exporter permits an import, and until when. Whether it exports it at all is asked
/// of all accounts together.
fn permission(
    trust: &Trust,
    importer: &str,
    import: &jwt::Import,
    now: UnixSeconds,
) -> Option<Option<UnixSeconds>> {
    let Some(exporter) = trust.accounts.get(&import.account) else {
        // That it is not there is found out later, and said then.
        return Some(None);
    };
    let subject = match import.kind == ExportKind::Service && !import.to.is_empty() {
        true => &*import.to,
        false => &*import.subject,
    };
    let offers = || exporter.claims.nats.exports.iter().filter(|e| e.kind == import.kind);
    let covers =
        |export: &&jwt::Export| subject::is_subset(subject.as_bytes(), export.subject.as_bytes());
    let exact = offers().find(|export| export.subject == subject);
    let Some(export) = exact.or_else(|| offers().find(covers)) else { return Some(None) };
    if !export.token_req || export.account_token_position > 0 {
        return Some(None);
    }
    match trust.keys.activates(import, importer, export, &exporter.claims, now) {
        Some(token) => Some(Some(token.common.expires).filter(|time| *time != 0)),
        None => {
            tracing::debug!(
                "Error adding import of {subject:?} to account [{importer}]: not authorized"
            );
            None
        }
    }
}

fn import_of(import: &jwt::Import) -> Option<Import> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    match import.kind {
        ExportKind::Unknown => None,
        ExportKind::Stream => Some(Import::Stream(StreamImport {
            account: import.account.clone(),
            subject: import.subject.clone(),
            to: some(&import.local_subject),
            prefix: some(&import.to).filter(|_| import.local_subject.is_empty()),
            allow_trace: import.allow_trace,
        })),
        ExportKind::Service => {
            let (there, here) = match (&*import.local_subject, &*import.to) {
                ("", "") => (&import.subject, &import.subject),
                ("", _) => (&import.to, &import.subject),
                _ => (&import.subject, &import.local_subject),
            };
            Some(Import::Service(ServiceImport {
                account: import.account.clone(),
                subject: there.clone(),
                to: here.clone(),
                share: import.share,
            }))
        }
    }
}

fn export_of(export: &jwt::Export) -> Option<Export> {
    let subject = export.subject.clone();
    let account_token_position = export.account_token_position;
    match export.kind {
        ExportKind::Unknown => None,
        ExportKind::Stream => {
            // Who has a token is asked of each import.
            Some(Export::Stream(StreamExport { subject, accounts: None, account_token_position }))
        }
        ExportKind::Service => Some(Export::Service(ServiceExport {
            subject,
            accounts: None,
            account_token_position,
            response: match &*export.response_type {
                "Stream" => ResponseKind::Stream,
                "Chunked" => ResponseKind::Chunked,
                _ => ResponseKind::Single,
            },
            threshold: nanos(export.response_threshold_ns).filter(|time| !time.is_zero()),
            latency: export.latency.as_ref().map(|latency| ServiceLatency {
                sampling: u8::try_from(latency.sampling).ok().filter(|share| *share > 0),
                subject: latency.results.clone(),
            }),
            allow_trace: export.allow_trace,
        })),
    }
}

fn mappings_of(claims: &AccountClaims) -> Vec<SubjectMapping> {
    let mappings = claims.nats.mappings.iter().map(|(source, targets)| {
        let destinations = targets.iter().map(|target| MappingDestination {
            subject: target.subject.clone(),
            weight: target.share(),
            cluster: Some(target.cluster.clone()).filter(|name| !name.is_empty()),
        });
        SubjectMapping { source: source.clone(), destinations: destinations.collect() }
    });
    mappings.filter(SubjectMapping::is_valid).collect()
}

fn trace_of(claims: &AccountClaims) -> Option<MsgTrace> {
    let trace = claims.nats.trace.as_ref()?;
    if !subject::is_valid_literal(trace.destination.as_bytes()) {
        return None;
    }
    let sampling = u8::try_from(trace.sampling).ok().filter(|share| (1..=100).contains(share));
    Some(MsgTrace { destination: trace.destination.clone(), sampling: sampling.unwrap_or(100) })
}

/// Permissions; `None` where nothing is said.
pub(super) fn permissions_of(permissions: &jwt::Permissions) -> Option<Permissions> {
    let subjects = |rules: &jwt::Permission| {
        let some = !rules.allow.is_empty() || !rules.deny.is_empty();
        some.then(|| SubjectPermission {
            allow: Some(rules.allow.clone()).filter(|allow| !allow.is_empty()),
            deny: rules.deny.clone(),
        })
    };
    let mut found = Permissions {
        publish: subjects(&permissions.publish),
        subscribe: subjects(&permissions.subscribe),
        allow_responses: permissions.responses.map(|responses| {
            let default = AllowResponses::default();
            AllowResponses {
                max: match responses.max {
                    0 => default.max,
                    max if max < 0 => None,
                    max => Some(u32::try_from(max).unwrap_or(u32::MAX)),
                },
                expires: match responses.ttl_ns {
                    0 => default.expires,
                    ttl => nanos(ttl),
                },
            }
        }),
    };
    if found.allow_responses.is_some() {
        // Who may answer may publish nothing else unless told so.
        found.publish.get_or_insert_default().allow.get_or_insert_default();
    }
    (found != Permissions::default()).then_some(found)
}

/// JetStream limits by tier.
pub(super) fn tiers(claims: &AccountClaims) -> Option<TierLimits> {
    let tiers = claims.nats.limits.jetstream_tiers()?;
    Some(tiers.into_iter().map(|(tier, limits)| (tier, tier_limits(&limits))).collect())
}

fn tier_limits(limits: &JetStreamLimits) -> JetStreamAccountLimits {
    let or_none = |value: i64| if value > 0 { value } else { -1 };
    JetStreamAccountLimits {
        max_memory: limits.mem_storage,
        max_storage: limits.disk_storage,
        max_streams: limits.streams,
        max_consumers: limits.consumer,
        max_ack_pending: or_none(limits.max_ack_pending),
        memory_max_stream_bytes: or_none(limits.mem_max_stream_bytes),
        storage_max_stream_bytes: or_none(limits.disk_max_stream_bytes),
        max_bytes_required: limits.max_bytes_required,
    }
}

/// A limit where less than 0 is none.
pub(super) fn at_most(limit: i64) -> Option<u32> {
    (limit >= 0).then(|| u32::try_from(limit).unwrap_or(u32::MAX))
}

fn nanos(ns: i64) -> Option<Duration> {
    u64::try_from(ns).ok().map(Duration::from_nanos)
}
