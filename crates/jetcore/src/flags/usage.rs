//! Texts that the command line prints.

use super::table::{FLAGS, Flag, Group};

/// Version of nats-server that this server is compatible with; clients decide by it what they use.
const COMPATIBLE: &str = "2.14.0";
/// Column at which the explanations of flags start.
const HELP_COLUMN: usize = 37;

/// Text of `--help_tls`.
pub(crate) const TLS_HELP: &str = "\
This server does not support TLS yet. It refuses to start with a configuration that asks for it,
so that nothing is sent in the clear by mistake.";

/// The line that `-v` prints.
pub(crate) fn version() -> String {
    format!("nats-server: v{COMPATIBLE} (jetcore {})", env!("CARGO_PKG_VERSION"))
}

/// The list of flags.
pub(crate) fn usage() -> String {
    let mut out = String::from("\nUsage: nats-server [options]\n");
    for group in Group::ALL {
        out.push_str(&format!("\n{} Options:\n", group.title()));
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            out.push_str(&line(flag));
        }
    }
    out
}

fn line(flag: &Flag) -> String {
    let short = flag.short.map(|name| format!("-{name}"));
    let long = flag.long.iter().map(|name| format!("--{name}"));
    // Names without a short one line up behind where it would stand.
    let indent = if short.is_some() { 4 } else { 8 };
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let value = flag.value.map(|value| format!(" <{value}>")).unwrap_or_default();
    let left = format!("{:indent$}{}{value}", "", names.join(", "));
    if left.len() < HELP_COLUMN {
        format!("{left:HELP_COLUMN$}{}\n", flag.help)
    } else {
        format!("{left}\n{:HELP_COLUMN$}{}\n", "", flag.help)
    }
}
