//! Many messages: restarts, purges, subject details, mirrors.
//!
//! Tests 32–36 (norace_1_test.go) of the ledger.
