//! Account and server statistics on the system account.
//!
//! Tests 5, 6 (events_test.go) of the ledger.
