//! Mirrors, sources and work queues over restarts.
//!
//! Tests 48, 57, 58, 61 (jetstream_test.go) of the ledger.
