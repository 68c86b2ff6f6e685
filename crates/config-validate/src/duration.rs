//! Durations in the notation of the reference (`1h30m`, `250ms`), read and written.

/// A text that is no duration; the texts are those of the reference's library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form number, unit, number, unit ... or too large.
    #[error("time: invalid duration {}", crate::quote::quoted(.0))]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {}", crate::quote::quoted(.0))]
    MissingUnit(String),
    /// A unit that does not exist.
    #[error(
        "time: unknown unit {} in duration {}",
        crate::quote::quoted(.unit),
        crate::quote::quoted(.text)
    )]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Reads a duration as nanoseconds; it may be negative.
///
/// # Errors
/// The text is no duration, or does not fit 64 bits.
pub fn parse_nanos(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole = digits(rest);
        let mut after = rest.get(whole.len()..).unwrap_or_default();
        let mut fraction = "";
        if let Some(tail) = after.strip_prefix('.') {
            fraction = digits(tail);
            after = tail.get(fraction.len()..).unwrap_or_default();
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
        } else if whole.is_empty() {
            return Err(invalid());
        }
        let unit_len = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let scale = unit_nanos(unit).ok_or_else(|| DurationError::UnknownUnit {
            unit: unit.to_owned(),
            text: text.to_owned(),
        })?;
        let whole: i128 = match whole {
            "" => 0,
            digits => digits.parse::<u64>().map_err(|_| invalid())?.into(),
        };
        total += whole * i128::from(scale) + fraction_nanos(fraction, scale);
        if total > i128::from(i64::MAX) + 1 {
            return Err(invalid());
        }
        rest = next;
    }
    let signed = if negative { -total } else { total };
    i64::try_from(signed).map_err(|_| invalid())
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn unit_nanos(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The digits after the point, in nanoseconds, cut off below one.
fn fraction_nanos(digits: &str, scale: i64) -> i128 {
    // 18 digits of an hour are exact far below a nanosecond.
    let digits = digits.get(..18).unwrap_or(digits);
    let Ok(number) = digits.parse::<i128>() else { return 0 };
    let power = 10_i128.pow(u32::try_from(digits.len()).unwrap_or(18));
    number * i128::from(scale) / power
}

/// Writes nanoseconds as the reference prints a duration: `1h0m0s`, `1.5s`, `250ms`, `0s`.
pub fn format_nanos(nanos: i64) -> String {
    crate::duration_text::go_duration(nanos)
}

/// Writes a duration as the reference prints it.
pub fn format(duration: std::time::Duration) -> String {
    format_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}
