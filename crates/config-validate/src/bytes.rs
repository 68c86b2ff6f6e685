//! Numbers of bytes for people to read.

/// Writes a number of bytes as logs show it: `1.50 KB`, `256.00 MB`, `-1 B`. Units are powers of
/// 1024, up to EB.
///
/// Wire source: `friendlyBytes` in `server/jetstream.go`, which crashes beyond its largest unit
/// where this stays with it.
pub fn friendly_bytes(bytes: f64) -> String {
    mark::hit!(F1446);
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes.is_nan() || bytes < 1024.0 {
        return format!("{} B", shortest(bytes));
    }
    let mut value = bytes / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("E");
    format!("{value:.2} {name}B")
}

/// The shortest form of a number: plain between 1e-4 and 1e6, like the reference's `%v`.
fn shortest(number: f64) -> String {
    let size = number.abs();
    if number.is_finite() && size != 0.0 && !(1e-4..1e6).contains(&size) {
        return exponent_form(number);
    }
    number.to_string()
}

fn exponent_form(number: f64) -> String {
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, size) = match exponent.strip_prefix('-') {
                Some(size) => ('-', size),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{size:0>2}")
        }
        None => text,
    }
}
