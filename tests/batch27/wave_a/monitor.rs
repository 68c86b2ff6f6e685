//! Health over HTTP and in process.
//!
//! Tests 7, 8 (monitor_test.go) of the ledger.
