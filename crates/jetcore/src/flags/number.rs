//! Whole numbers as Go's flag package reads them: `4222`, `-1`, `0x10`, `0o17`, `017`, `1_000`.

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    /// Not digits.
    #[error("parse error")]
    Syntax,
    /// Too large or too small.
    #[error("value out of range")]
    Range,
}

/// Reads a whole number.
pub(super) fn parse(text: &str) -> Result<i64, NumberError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..).unwrap_or_default()),
        Some("0o") => (8, lower.get(2..).unwrap_or_default()),
        Some("0b") => (2, lower.get(2..).unwrap_or_default()),
        Some(_) if lower.starts_with('0') => (8, lower.get(1..).unwrap_or_default()),
        _ => (10, lower.as_str()),
    };
    // An underscore may stand between digits, and after a base prefix.
    let prefixed = radix != 10;
    if digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !prefixed) {
        return Err(NumberError::Syntax);
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return Err(NumberError::Syntax);
    }
    let size = i128::from_str_radix(&plain, radix).map_err(|_| NumberError::Range)?;
    i64::try_from(if negative { -size } else { size }).map_err(|_| NumberError::Range)
}
