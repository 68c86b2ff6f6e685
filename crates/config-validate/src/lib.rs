//! Reads and checks everything a user configures, before anything is started.
//!
//! - [`conf`]: nats-server's config format, text to values with positions.
//! - [`options`]: config file and command line to [`Options`], with defaults filled in, and
//!   [`options::validate`] for what only shows when all of it is known.
//! - [`stream_config`], [`consumer_config`], [`asset_version`]: defaults and checks of the
//!   configurations that API requests carry.
//! - [`repair`]: what stored configurations need before they are checked.
//! - [`limits`]: the JetStream limits of a server that sets none.
//! - [`name`], [`asset_name`], [`bytes`], [`duration`]: names, sizes and durations as users read
//!   and write them.
//!
//! Owns no state. Must not know: sockets, clocks, running servers; it reads files only through
//! [`conf::Environment`].
//!
//! Wire sources: `conf/*.go`, `server/opts.go`, `validateOptions` in `server/server.go`.

pub mod asset_name;
pub mod asset_version;
pub mod bytes;
pub mod conf;
pub mod consumer_config;
pub mod duration;
mod duration_text;
pub mod limits;
pub mod name;
pub mod options;
mod quote;
pub mod repair;
pub mod stream_config;

#[cfg(test)]
mod tests;

pub use options::Options;
