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

/// A subject as it was stored, and as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRepair {
    /// As stored.
    pub was: String,
    /// Without the white space around it.
    pub is: String,
}

/// What was repaired, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Subjects that were no subjects.
    pub subjects: Vec<SubjectRepair>,
    /// A mirror had subjects, and lost them.
    pub mirror: bool,
}

/// Makes subjects of what has white space around it, and takes them from mirrors.
///
/// Runs on recovered configurations before they are checked. Wire source: `EnableJetStream` in
/// `server/jetstream.go`.
///
/// # Errors
/// The first that is no subject either way; the configuration is as it was.
pub fn repair_subjects(config: &mut StreamConfig) -> Result<Repaired, String> {
    let mut repaired = Repaired::default();
    let mut subjects = config.subjects.clone();
    for subject in subjects.iter_mut().filter(|subject| !is_subject(subject)) {
        let trimmed = subject.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
        if !is_subject(trimmed) {
            return Err(subject.clone());
        }
        let repair = SubjectRepair { was: subject.clone(), is: trimmed.to_owned() };
        subject.clone_from(&repair.is);
        repaired.subjects.push(repair);
    }
    repaired.mirror = config.mirror.is_some() && !subjects.is_empty();
    config.subjects = if repaired.mirror { Vec::new() } else { subjects };
    Ok(repaired)
}

fn is_subject(text: &str) -> bool {
    subject::is_valid_pattern(text.as_bytes())
}
