//! Accounts: isolation, connection limits, who is disconnected first.
//!
//! Tests 1–4 (accounts_test.go) of the ledger.
