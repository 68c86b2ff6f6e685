//! Encoding of what a stream has deleted.
//!
//! Tests 18 (norace_2_test.go) of the ledger.
