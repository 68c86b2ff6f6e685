//! server-lifecycle
