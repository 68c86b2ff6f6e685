//! Claims about an account.

use std::collections::BTreeMap;

use nkeys::KeyPairType;
use serde::Deserialize;

use crate::exchange::{check_exports, check_imports};
use crate::token::{self, DecodeError, Kind};
use crate::{
    Common, Export, Import, Issues, Permissions, SigningKeys, UnixSeconds, is_key, subjects,
};

/// What stands for every user in a list of revocations.
const EVERYBODY: &str = "*";

/// Claims about an account (`AccountClaims`).
#[derive(Debug, Clone, PartialEq)]
pub struct AccountClaims {
    /// Who it is, and who says so.
    pub common: Common,
    /// The rest.
    pub nats: Account,
}

/// What is said about an account.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Account {
    /// What it takes from others.
    pub imports: Vec<Import>,
    /// What it offers to others.
    pub exports: Vec<Export>,
    /// Limits set by the operator.
    pub limits: OperatorLimits,
    /// Keys that sign in its name.
    pub signing_keys: SigningKeys,
    /// Users issued up to these times are turned away, by key; `*` is all.
    pub revocations: BTreeMap<String, UnixSeconds>,
    /// Permissions of users that have none of their own.
    pub default_permissions: Permissions,
    /// Subject mappings, by source.
    pub mappings: BTreeMap<String, Vec<MappingTarget>>,
    /// Somebody else authenticates its users.
    pub authorization: ExternalAuthorization,
    /// Message tracing.
    pub trace: Option<Trace>,
    /// Which account carries the cluster traffic of its JetStream assets.
    pub cluster_traffic: String,
    /// Tags.
    pub tags: Vec<String>,
}

/// Limits of an account; less than 0 is no limit, and 0 allows nothing (`OperatorLimits`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OperatorLimits {
    /// Subscriptions of a connection.
    pub subs: i64,
    /// Not used by servers.
    pub data: i64,
    /// Bytes of a payload.
    pub payload: i64,
    /// Imports.
    pub imports: i64,
    /// Exports.
    pub exports: i64,
    /// Exports may have wildcards.
    #[serde(rename = "wildcards")]
    pub wildcard_exports: bool,
    /// Users must sign: their tokens alone are not enough.
    pub disallow_bearer: bool,
    /// Client connections.
    pub conn: i64,
    /// Leaf node connections.
    pub leaf: i64,
    /// JetStream, of assets with any number of replicas.
    #[serde(flatten)]
    pub jetstream: JetStreamLimits,
    /// JetStream by tier.
    #[serde(rename = "tiered_limits")]
    pub tiers: BTreeMap<String, JetStreamLimits>,
}

/// Limits for JetStream of an account (`JetStreamLimits`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct JetStreamLimits {
    /// Bytes in memory; 0 is off, less no limit.
    pub mem_storage: i64,
    /// Bytes on disk; 0 is off, less no limit.
    pub disk_storage: i64,
    /// Streams; less than 0 is no limit.
    pub streams: i64,
    /// Consumers; less than 0 is no limit.
    pub consumer: i64,
    /// Most unacknowledged messages of a consumer; not above 0 is no limit.
    pub max_ack_pending: i64,
    /// Bytes of a stream in memory; not above 0 is no limit.
    pub mem_max_stream_bytes: i64,
    /// Bytes of a stream on disk; not above 0 is no limit.
    pub disk_max_stream_bytes: i64,
    /// Streams must limit their bytes.
    pub max_bytes_required: bool,
}

/// Where a mapping leads (`WeightedMapping`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MappingTarget {
    /// The subject.
    pub subject: String,
    /// Share of messages in percent; 0 is all.
    pub weight: u8,
    /// Only on servers of this cluster.
    pub cluster: String,
}

/// Message tracing of an account (`MsgTrace`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// Subject that receives the trace events.
    #[serde(rename = "dest")]
    pub destination: String,
    /// Share of messages traced, in percent; 0 is all.
    pub sampling: i64,
}

/// Somebody else authenticates the users of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ExternalAuthorization {
    /// Users that are not.
    pub auth_users: Vec<String>,
    /// Accounts that users may be put into.
    pub allowed_accounts: Vec<String>,
}

/// An account's token is not good enough (`ErrAccountValidation` in `server/errors.go`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountClaimsError {
    /// It cannot be read.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// No trusted operator signed it, it is expired or contradicts itself, or it is about another
    /// account.
    #[error("account validation failed")]
    Validation,
}

impl AccountClaims {
    /// Decodes an account's token.
    ///
    /// # Errors
    /// When it is malformed, not signed by its issuer, or none about an account.
    pub fn decode(token: &str) -> Result<AccountClaims, DecodeError> {
        let decoded = token::decode::<Account>(token, Kind::Account, |_, _| {})?;
        let mut nats = decoded.nats;
        if decoded.version == 1 {
            // There was no JetStream yet.
            let limits = &mut nats.limits;
            (limits.jetstream, limits.tiers) = Default::default();
            limits.disallow_bearer = false;
            (nats.default_permissions, nats.mappings) = Default::default();
            (nats.authorization, nats.trace) = Default::default();
        }
        if !nats.limits.tiers.is_empty() {
            nats.limits.jetstream = JetStreamLimits::default();
        }
        Ok(AccountClaims { common: decoded.common, nats })
    }

    /// What is wrong with it at this time.
    pub fn check(&self, now: UnixSeconds) -> Issues {
        let mut issues = Issues::default();
        self.common.check(now, &mut issues);
        let (nats, limits) = (&self.nats, &self.nats.limits);
        check_imports(&nats.imports, &self.common.subject, &mut issues);
        check_exports(&nats.exports, &mut issues);
        if limits.tiers.contains_key("") {
            issues.error("Tiered JetStream Limits can not contain a blank \"\" tier name");
        }
        nats.default_permissions.check(&mut issues);
        self.check_mappings(&mut issues);
        self.check_authorization(&mut issues);
        self.check_trace(&mut issues);
        let too_many = |count: usize, max: i64| max >= 0 && count as u64 > max.unsigned_abs();
        // The reference looks at numbers below -1 as at a limit that nothing meets.
        if too_many(nats.imports.len(), limits.imports) || limits.imports < -1 {
            issues.error("the account contains more imports than allowed by the operator");
        }
        if limits.exports != -1 {
            if too_many(nats.exports.len(), limits.exports) || limits.exports < -1 {
                issues.error("the account contains more exports than allowed by the operator");
            }
            let wild = |export: &Export| subjects::has_wildcards(&export.subject);
            if !limits.wildcard_exports && nats.exports.iter().any(wild) {
                issues.error(
                    "the account contains wildcard exports that are not allowed by the operator",
                );
            }
        }
        nats.signing_keys.check(&mut issues);
        if !["", "system", "owner"].contains(&&*nats.cluster_traffic) {
            let found = &nats.cluster_traffic;
            issues.error(format!("unknown cluster traffic option: {found:?}"));
        }
        if is_key(&self.common.issuer, KeyPairType::Account) && *limits != OperatorLimits::default()
        {
            issues.warning("self-signed account JWTs shouldn't contain operator limits");
        }
        issues
    }

    fn check_mappings(&self, issues: &mut Issues) {
        for (source, targets) in &self.nats.mappings {
            subjects::check(source, issues);
            let mut totals: BTreeMap<&str, u32> = BTreeMap::new();
            for target in targets {
                subjects::check(&target.subject, issues);
                let share = target.share();
                if share > 100 {
                    issues
                        .error(format!("Mapping {source:?} has a weight {share} that exceeds 100"));
                }
                *totals.entry(&target.cluster).or_default() += u32::from(share);
            }
            for (cluster, _) in totals.iter().filter(|(_, total)| **total > 100) {
                let within = match *cluster {
                    "" => String::new(),
                    cluster => format!(" in cluster {cluster:?}"),
                };
                issues.error(format!(
                    "Mapping {source:?}{within} exceeds 100% among all of it's weighted to mappings"
                ));
            }
        }
    }

    fn check_authorization(&self, issues: &mut Issues) {
        let ExternalAuthorization { auth_users, allowed_accounts } = &self.nats.authorization;
        if !allowed_accounts.is_empty() && auth_users.is_empty() {
            issues.error("External authorization cannot have accounts without users specified");
        }
        for user in auth_users.iter().filter(|user| !is_key(user, KeyPairType::User)) {
            issues.error(format!("AuthUser {user:?} is not a valid user public key"));
        }
        for account in allowed_accounts {
            if account == EVERYBODY && allowed_accounts.len() > 1 {
                issues.error("AllowedAccounts can only be a list of accounts or \"*\"");
            } else if account != EVERYBODY && !is_key(account, KeyPairType::Account) {
                issues.error(format!("Account {account:?} is not a valid account public key"));
            }
        }
    }

    fn check_trace(&self, issues: &mut Issues) {
        let Some(trace) = &self.nats.trace else { return };
        let mut wrong = Issues::default();
        subjects::check(&trace.destination, &mut wrong);
        if let Some(first) = wrong.iter().next() {
            issues.error(format!("the account Trace.Destination {first}"));
        }
        if subjects::has_wildcards(&trace.destination) {
            issues.error(format!(
                "the account Trace.Destination subject {:?} is not a valid publish subject",
                trace.destination
            ));
        }
        if !(0..=100).contains(&trace.sampling) {
            issues.error(format!(
                "the account Trace.Sampling value '{}' is not valid, should be in the range \
                 [1..100]",
                trace.sampling
            ));
        }
    }

    /// Whether its token has run out.
    pub fn is_expired(&self, now: UnixSeconds) -> bool {
        self.common.expires != 0 && self.common.expires <= now
    }

    /// Whether users of this key that were issued at that time are turned away.
    pub fn is_revoked(&self, user: &str, issued_at: UnixSeconds) -> bool {
        is_revoked(&self.nats.revocations, user, issued_at)
    }
}

/// Whether a list of revocations covers what was issued at that time.
pub(crate) fn is_revoked(
    revocations: &BTreeMap<String, UnixSeconds>,
    key: &str,
    issued_at: UnixSeconds,
) -> bool {
    [key, EVERYBODY].iter().any(|key| revocations.get(*key).is_some_and(|time| *time >= issued_at))
}

impl MappingTarget {
    /// Share of messages in percent.
    pub fn share(&self) -> u8 {
        if self.weight == 0 { 100 } else { self.weight }
    }
}

impl OperatorLimits {
    /// The limits of each tier that the account has, if it has JetStream at all; the flat tier is
    /// named `""` (`IsJSEnabled`).
    pub fn jetstream_tiers(&self) -> Option<BTreeMap<String, JetStreamLimits>> {
        let on = |limits: &JetStreamLimits| limits.mem_storage != 0 || limits.disk_storage != 0;
        if self.tiers.is_empty() {
            return on(&self.jetstream).then(|| BTreeMap::from([(String::new(), self.jetstream)]));
        }
        self.tiers.values().any(on).then(|| self.tiers.clone())
    }
}

impl Export {
    /// Whether an activation issued to this importer at that time does not count any more.
    pub fn is_revoked(&self, importer: &str, issued_at: UnixSeconds) -> bool {
        is_revoked(&self.revocations, importer, issued_at)
    }
}
