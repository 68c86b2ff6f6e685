//! js-engine
