//! Consumers over restarts, filters and pending counts.
//!
//! Tests 27–31 (jetstream_consumer_test.go) of the ledger.
