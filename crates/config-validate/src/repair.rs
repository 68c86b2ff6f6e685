//! Repairs of stored configurations that an old defect left behind.

use types::StreamConfig;

/// Clears the duplicate window of a mirror, which checks refuse; other streams keep theirs.
///
/// Runs on recovered configurations before they are checked. Wire source:
/// `fixCfgMirrorWithDedupWindow` in `server/jetstream.go`.
pub fn clear_mirror_duplicate_window(config: &mut StreamConfig) {
    if config.mirror.is_some() {
        config.duplicate_window_ns = 0;
    }
}
