//! js-account
