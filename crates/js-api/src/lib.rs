//! js-api
