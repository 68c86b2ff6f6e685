//! What a restart finds again, and restored snapshots.
//!
//! Tests 47, 49–52, 54, 56, 66 (jetstream_test.go) of the ledger.
