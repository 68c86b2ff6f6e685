//! What a test holds while it proves features.

use crate::record;

/// Made by [`check!`](crate::check): fails the test when a feature was not reached while it lived.
#[must_use = "it watches for as long as it lives"]
pub struct Guard {
    /// Ids, and how often each was reached before.
    before: Vec<(&'static str, u64)>,
}

impl Guard {
    /// Begins to watch.
    pub fn new(ids: &[&'static str]) -> Self {
        Self { before: ids.iter().map(|id| (*id, record::count(id))).collect() }
    }

    /// The ids that were not reached so far.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let missing = self.before.iter().filter(|(id, before)| record::count(id) == *before);
        missing.map(|(id, _)| *id).collect()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A test that fails anyway says why itself; a second panic would end the process.
        if cfg!(debug_assertions) && !std::thread::panicking() {
            let missing = self.missing();
            assert!(missing.is_empty(), "the test never reached {}", missing.join(", "));
        }
    }
}
