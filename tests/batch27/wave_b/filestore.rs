//! The file store on its own: expiry, caches, compaction, throughput.
//!
//! Tests 20–26 (filestore_test.go) of the ledger.
