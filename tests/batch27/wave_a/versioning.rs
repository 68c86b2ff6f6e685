//! API levels and the metadata that carries them.
//!
//! Tests 9, 10 (jetstream_versioning_test.go) of the ledger.
