//! Pulls, key-value deletes, last per subject.
//!
//! Tests 60, 62, 63 (jetstream_test.go) of the ledger.
