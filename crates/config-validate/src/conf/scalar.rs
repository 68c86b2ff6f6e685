//! Turns the words of scalars into values.

use super::error::ConfError;
use super::value::Value;

/// Whole number with an optional size suffix: a letter alone counts in thousands, with `b`, `i`
/// or `ib` behind it in 1024s.
pub(super) fn integer(text: &str) -> Result<Value, ConfError> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let number: i64 = digits.parse().map_err(|_| ConfError::IntegerRange(text.to_owned()))?;
    let suffix = suffix.to_lowercase();
    let mut letters = suffix.chars();
    let Some(letter) = letters.next() else { return Ok(Value::Int(number)) };
    let base: i64 = match letters.as_str() {
        "" => 1000,
        "b" | "i" | "ib" => 1024,
        _ => return Err(ConfError::IntegerSuffix(text.to_owned())),
    };
    let power = match letter {
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        'e' => 6,
        _ => return Err(ConfError::IntegerSuffix(text.to_owned())),
    };
    base.checked_pow(power)
        .and_then(|factor| number.checked_mul(factor))
        .map(Value::Int)
        .ok_or_else(|| ConfError::IntegerRange(text.to_owned()))
}

/// Number with a decimal point.
pub(super) fn float(text: &str) -> Result<Value, ConfError> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Float(number)),
        _ => Err(ConfError::FloatRange(text.to_owned())),
    }
}

/// Zulu date and time; the shape is known, the numbers are not.
pub(super) fn date(text: &str) -> Result<Value, ConfError> {
    let field = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let valid = || {
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        ((1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60).then_some(())
    };
    match valid() {
        Some(()) => Ok(Value::Date(text.into())),
        None => Err(ConfError::Date(text.to_owned())),
    }
}

/// One of the words for true and false.
pub(super) fn boolean(text: &str) -> Value {
    Value::Bool(matches!(text.to_lowercase().as_str(), "true" | "yes" | "on"))
}
