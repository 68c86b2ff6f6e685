//! Names of streams and consumers.

/// Longest name of a stream or consumer, in bytes (`JSMaxNameLen`).
pub const MAX_NAME_LEN: usize = 255;
/// Longest description, in bytes (`JSMaxDescriptionLen`).
pub const MAX_DESCRIPTION_LEN: usize = 4 * 1024;
/// Most bytes of metadata keys and values (`JSMaxMetadataLen`).
pub const MAX_METADATA_LEN: usize = 128 * 1024;

/// Whether a stream or consumer may have this name (`server/jetstream.go` `isValidAssetName`).
///
/// It becomes a token of subjects and a directory name.
pub fn is_valid_asset_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([' ', '\t', '\r', '\n', '\u{c}', '.', '*', '>', '\\', '/'])
}

/// Whether a name holds a character that separates paths.
pub fn has_path_separator(name: &str) -> bool {
    name.contains(['\\', '/'])
}

/// Bytes of all keys and values.
pub(crate) fn metadata_len(metadata: &std::collections::BTreeMap<String, String>) -> usize {
    metadata.iter().map(|(k, v)| k.len() + v.len()).sum()
}
