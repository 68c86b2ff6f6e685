//! Repairs of stored configurations that an old defect left behind.

use types::StreamConfig;

/// Clears the duplicate window of a mirror, which checks refuse; other streams keep theirs.
///
/// Runs on recovered configurations before they are checked. Wire source:
/// `fixCfgMirrorWithDedupWindow` in `server/jetstream.go`.
pub fn clear_mirror_duplicate_window(config: &mut StreamConfig) {
    if config.mirror.is_some() {
        mark::hit!(F1450);
        config.duplicate_window_ns = 0;
    }
}

/// Takes the subjects of a mirror away, which has none; false where there were none.
///
/// Wire source: `recoverStreams` in `server/jetstream.go`.
pub fn clear_mirror_subjects(config: &mut StreamConfig) -> bool {
    let had = config.mirror.is_some() && !config.subjects.is_empty();
    if had {
        config.subjects.clear();
    }
    had
}
