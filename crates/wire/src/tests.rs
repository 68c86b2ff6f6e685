//! Tables from the reference's behaviour on the wire, properties, and a stress test of the outbox.

mod encode;
mod headers;
mod outbox;
mod outbox_stress;
mod parser;
