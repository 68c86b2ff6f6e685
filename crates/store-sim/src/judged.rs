//! What was judged before: from the same disk, with the same to be held, the same dice lead to the
//! same end, and one time is enough.

use std::collections::HashMap;

use crate::session::{Ashes, State};
use crate::verdict::Verdict;

/// All that was judged, and found well, in one session.
#[derive(Debug, Default)]
pub struct Judged {
    /// By the disk's digest: how often the stream was opened.
    well: HashMap<u64, Vec<(State, Option<u64>, u64)>>,
}

impl Judged {
    /// Judges what becomes of ashes with the dice of this seed, if any are rolled, and answers how
    /// often the stream was opened.
    ///
    /// # Errors
    /// What is wrong.
    pub fn once(
        &mut self,
        ashes: Ashes,
        seed: Option<u64>,
        judge: impl FnOnce(&mut Judged, Ashes) -> Verdict<u64>,
    ) -> Verdict<u64> {
        let state = ashes.state();
        let digest = state.digest();
        let known = self.well.get(&digest).into_iter().flatten();
        let mut known = known.filter(|known| known.1 == seed && known.0 == state);
        if let Some((.., opened)) = known.next() {
            return Ok(*opened);
        }
        let opened = judge(self, ashes)?;
        self.well.entry(digest).or_default().push((state, seed, opened));
        Ok(opened)
    }
}
