//! Limits, reservations and usage.
//!
//! Tests 39, 53, 67–69 (jetstream_test.go) of the ledger.
