//! Making store errors of the operating system's.

use crate::api::StoreError;

/// An I/O error with what was being done; no space has its own variant.
pub(crate) fn io_error(context: &str, source: std::io::Error) -> StoreError {
    if env::is_no_space(&source) {
        StoreError::NoSpace
    } else {
        StoreError::Io { context: context.to_owned(), source }
    }
}
