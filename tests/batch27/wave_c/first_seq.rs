//! The first sequence over restarts.
//!
//! Tests 73–75 (jetstream_test.go) of the ledger.
