//! How large the runs are that measure.

/// Variable that `cargo xtask bench batch27` sets.
const FULL: &str = "JETCORE_FULL_SIZE";

/// The number that stands for the reference's own size in `cargo xtask bench batch27`, otherwise
/// the one that a test run has time for.
pub fn sized<T>(reduced: T, full: T) -> T {
    if std::env::var_os(FULL).is_some() { full } else { reduced }
}
