//! Claims about a user.

use std::net::IpAddr;

use nkeys::KeyPairType;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::token::{self, DecodeError, Kind};
use crate::{Common, Issues, Permissions, UnixSeconds, is_key, times};

/// Claims about a user (`UserClaims`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserClaims {
    /// Who it is, and who says so.
    pub common: Common,
    /// What it may do.
    pub limits: UserLimits,
    /// The account in whose name a signing key issued this; empty when the account itself did.
    pub issuer_account: String,
    /// Tags.
    pub tags: Vec<String>,
}

/// What a user may do (`UserPermissionLimits`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UserLimits {
    /// Publishing and subscribing.
    #[serde(flatten)]
    pub permissions: Permissions,
    /// Networks it may come from; none is any.
    #[serde(rename = "src", deserialize_with = "networks")]
    pub sources: Vec<String>,
    /// Times of the day at which it may be there; none is any.
    pub times: Vec<TimeRange>,
    /// Time zone of those times; empty is the server's.
    #[serde(rename = "times_location")]
    pub location: String,
    /// Most subscriptions; less than 0 is no limit.
    #[serde(rename = "subs")]
    pub max_subscriptions: i64,
    /// Not used by servers.
    #[serde(rename = "data")]
    pub max_data: i64,
    /// Largest payload, bytes; less than 0 is no limit.
    #[serde(rename = "payload")]
    pub max_payload: i64,
    /// The token alone is enough: nothing is to be signed.
    pub bearer_token: bool,
    /// It must come by way of a trusted proxy.
    pub proxy_required: bool,
    /// Ways it may connect; none is any.
    pub allowed_connection_types: Vec<String>,
}

/// A time of the day, from and to, as `15:04:05`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TimeRange {
    /// Its begin.
    pub start: String,
    /// Its end; before the begin, it is on the next day.
    pub end: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nats {
    #[serde(flatten)]
    limits: UserLimits,
    issuer_account: String,
    tags: Vec<String>,
}

impl UserClaims {
    /// Decodes a user's token.
    ///
    /// # Errors
    /// When it is malformed, not signed by its issuer, or none of an account about a user.
    pub fn decode(token: &str) -> Result<UserClaims, DecodeError> {
        let decoded = token::decode::<Nats>(token, Kind::User, |nats, version| {
            if version == 1 {
                unlimited_if_absent(nats);
                for later in ["allowed_connection_types", "proxy_required"] {
                    nats.remove(later);
                }
            }
        })?;
        let Nats { limits, issuer_account, tags } = decoded.nats;
        Ok(UserClaims { common: decoded.common, limits, issuer_account, tags })
    }

    /// The account it belongs to.
    pub fn account(&self) -> &str {
        match self.issuer_account.is_empty() {
            true => &self.common.issuer,
            false => &self.issuer_account,
        }
    }

    /// What is wrong with it at this time.
    pub fn check(&self, now: UnixSeconds) -> Issues {
        let mut issues = Issues::default();
        self.common.check(now, &mut issues);
        self.limits.check(&mut issues);
        if !self.issuer_account.is_empty() && !is_key(&self.issuer_account, KeyPairType::Account) {
            issues.error("account_id is not an account public key");
        }
        issues
    }
}

impl UserLimits {
    /// Whether nothing at all is said, as in users of a scope.
    pub fn is_empty(&self) -> bool {
        *self == UserLimits::default()
    }

    fn check(&self, issues: &mut Issues) {
        self.permissions.check(issues);
        for network in self.sources.iter().filter(|text| Network::parse(text).is_none()) {
            issues.error(format!("invalid cidr {network:?} in user src limits"));
        }
        for range in &self.times {
            range.check(issues);
        }
        if !self.location.is_empty() && jiff::tz::TimeZone::get(&self.location).is_err() {
            let name = &self.location;
            issues
                .error(format!("could not parse iana time zone by name: unknown time zone {name}"));
        }
    }

    /// Whether it may come from this address.
    pub(crate) fn allows_source(&self, peer: Option<IpAddr>) -> bool {
        if self.sources.is_empty() {
            return true;
        }
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return false };
        for text in &self.sources {
            match Network::parse(text) {
                // As in the reference: what cannot be read ends it.
                None => return false,
                Some(network) if network.contains(peer) => return true,
                Some(_) => {}
            }
        }
        false
    }
}

impl TimeRange {
    fn check(&self, issues: &mut Issues) {
        match &*self.start {
            "" => issues.error("time ranges start must contain a start"),
            start if times::parse(start).is_none() => {
                issues.error(format!("start in time range is invalid {start:?}"));
            }
            _ => {}
        }
        match &*self.end {
            "" => issues.error("time ranges end must contain an end"),
            end if times::parse(end).is_none() => {
                issues.error(format!("end in time range is invalid {end:?}"));
            }
            _ => {}
        }
    }
}

/// Where 0 would forbid everything, and was not said, there is no limit.
pub(crate) fn unlimited_if_absent(limits: &mut Map<String, Value>) {
    for name in ["subs", "data", "payload"] {
        limits.entry(name).or_insert_with(|| (-1).into());
    }
}

/// A list, or one text with commas.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => {
            let parts = text.split(',').map(|part| part.trim().to_lowercase());
            Ok(parts.filter(|part| !part.is_empty()).collect())
        }
        list => Vec::deserialize(list).map_err(de::Error::custom),
    }
}

/// A network, such as `10.0.0.0/8`.
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| digits && *bits <= width)?;
        Some(Network { address, bits })
    }

    fn contains(&self, peer: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let shift = width - self.bits;
            a.checked_shr(shift) == b.checked_shr(shift)
        };
        match (self.address, peer) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same(u32::from(a).into(), u32::from(b).into(), u32::BITS)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), u128::BITS),
            _ => false,
        }
    }
}
