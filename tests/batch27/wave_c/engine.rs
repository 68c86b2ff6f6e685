//! Enabling and disabling, accounts, domains, operator mode.
//!
//! Tests 37, 38, 40–45, 59 (jetstream_test.go) of the ledger.
