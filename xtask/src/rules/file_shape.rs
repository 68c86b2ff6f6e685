//! What a file as a whole must look like.

use super::{Settings, Source};
use crate::finding::Finding;

/// Name of the rule about the first line.
pub(crate) const PURPOSE: &str = "missing-purpose";
/// Name of the rule about length.
pub(crate) const LENGTH: &str = "file-length";

/// A file starts with `//!` and a sentence on its purpose.
pub(crate) fn missing_purpose(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let first = source
        .lines
        .iter()
        .enumerate()
        .find(|(_, line)| !line.trim().is_empty() && !line.starts_with("#!"));
    let Some((i, line)) = first else { return Vec::new() };
    let sentence = line.strip_prefix("//!").map(str::trim).unwrap_or_default();
    if sentence.is_empty() {
        let advice = "start the file with `//!` and one sentence on its purpose";
        return vec![source.finding(i + 1, PURPOSE, advice)];
    }
    Vec::new()
}

/// A file longer than the limit, or than its own entry in the ratchet.
pub(crate) fn too_long(source: &Source, settings: &Settings) -> Vec<Finding> {
    let lines = source.product_lines();
    let entry = settings.ratchet.get(&source.path).copied();
    let advice = match entry {
        Some(allowed) if lines > allowed => {
            format!(
                "{lines} lines, {allowed} allowed for this file: split it, do not raise the number"
            )
        }
        Some(_) if lines <= settings.max_lines => {
            format!("{lines} lines: short enough now, take it off the list in tidy.toml")
        }
        None if lines > settings.max_lines => {
            format!("{lines} lines without tests, {} are the limit: split it", settings.max_lines)
        }
        _ => return Vec::new(),
    };
    vec![source.finding(1, LENGTH, advice)]
}
