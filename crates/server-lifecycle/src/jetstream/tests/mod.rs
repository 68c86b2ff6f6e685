//! JetStream of a server, switched on and off in every way.

mod accounts;
mod bus;
mod cluster;
mod encryption;
mod faults;
mod harness;
mod recovery;
mod standalone;
mod switch;
mod usage;
