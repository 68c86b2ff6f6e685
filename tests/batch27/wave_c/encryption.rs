//! Encrypted stores over restarts.
//!
//! Tests 46, 77 (jetstream_test.go) of the ledger.
