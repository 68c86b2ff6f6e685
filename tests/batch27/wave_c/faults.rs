//! Writes that the disk refuses.
//!
//! Tests 64, 65 (jetstream_test.go) of the ledger.
