//! What a check says: nothing, or in words what is wrong.

/// `Err` says what is wrong.
pub type Verdict<T = ()> = Result<T, String>;

/// Ends with a verdict unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}
pub(crate) use ensure;

/// Ends with a verdict unless both are the same.
macro_rules! same {
    ($got:expr, $want:expr, $($words:tt)+) => {
        match (&$got, &$want) {
            (got, want) => {
                if got != want {
                    return Err(format!("{}: {got:?}, not {want:?}", format_args!($($words)+)));
                }
            }
        }
    };
}
pub(crate) use same;

/// Runs a check; a panic in it is a verdict too.
pub fn guarded<T>(check: impl FnOnce() -> Verdict<T>) -> Verdict<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)) {
        Ok(verdict) => verdict,
        Err(payload) => {
            let words = payload
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| payload.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            Err(format!("panic: {}", words.unwrap_or_default()))
        }
    }
}
