//! Message TTLs and subject delete markers.
//!
//! Tests 70–72, 76 (jetstream_test.go) of the ledger.
