//! config-validate
