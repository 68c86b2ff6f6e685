//! Wall-clock times as JetStream stores and prints them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since the Unix epoch, UTC.
///
/// JSON: RFC 3339 with up to nine fractional digits, trailing zeros dropped, as Go prints
/// `time.Time`. Disk: the `i64` itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// What Go's `UnixNano` gives for the zero time (year 1), which JSON shows as
/// `0001-01-01T00:00:00Z`.
const GO_ZERO_NS: i64 = -6_795_364_578_871_345_152;

impl Timestamp {
    /// Go's zero time: "never" or "not set".
    pub const ZERO: Timestamp = Timestamp(GO_ZERO_NS);

    /// A time from Unix nanoseconds.
    pub const fn from_unix_ns(ns: i64) -> Self {
        Timestamp(ns)
    }

    /// Unix nanoseconds.
    pub const fn unix_ns(self) -> i64 {
        self.0
    }

    /// Whether this is Go's zero time.
    pub const fn is_zero(self) -> bool {
        self.0 == GO_ZERO_NS
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Timestamp::ZERO
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0001-01-01T00:00:00Z");
        }
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(ts) => ts.fmt(f),
            Err(_) => f.write_str("0001-01-01T00:00:00Z"),
        }
    }
}

/// A text is not an RFC 3339 time within the years that nanoseconds can count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {text:?} as RFC 3339")]
pub struct BadTimestamp {
    /// The text that was refused.
    pub text: String,
}

impl FromStr for Timestamp {
    type Err = BadTimestamp;

    fn from_str(text: &str) -> Result<Self, BadTimestamp> {
        let bad = || BadTimestamp { text: text.to_owned() };
        let ts: jiff::Timestamp = text.parse().map_err(|_| bad())?;
        match i64::try_from(ts.as_nanosecond()) {
            Ok(ns) => Ok(Timestamp(ns)),
            // Year 1 does not fit; it is how Go writes "not set".
            Err(_) if text.starts_with("0001-01-01T00:00:00") => Ok(Timestamp::ZERO),
            Err(_) => Err(bad()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
