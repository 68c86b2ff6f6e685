//! Counts usage again where it turned out to be wrong.

use std::fmt;
use std::sync::{Arc, Weak};

use js_account::{AccountUsage, Recount};
use parking_lot::Mutex;
use types::Storage;

use crate::engine::Core;

/// Sets the usage of one account right, in a thread of its own, while the shards rest: then
/// nothing is charged that the count would miss.
pub(crate) struct Recounter {
    core: Weak<Core>,
    usage: Weak<AccountUsage>,
    /// Tiers and kinds that a thread is on its way to count.
    asked: Arc<Mutex<Vec<(String, Storage)>>>,
}

impl Recounter {
    pub(crate) fn new(core: &Arc<Core>, usage: &Arc<AccountUsage>) -> Arc<Self> {
        Arc::new(Recounter {
            core: Arc::downgrade(core),
            usage: Arc::downgrade(usage),
            asked: Arc::default(),
        })
    }
}

impl Recount for Recounter {
    fn request(&self, account: &str, tier: &str, kind: Storage) {
        {
            let mut asked = self.asked.lock();
            if asked.iter().any(|(other, of)| other == tier && *of == kind) {
                return;
            }
            asked.push((tier.to_owned(), kind));
            if asked.len() > 1 {
                return;
            }
        }
        let (core, usage) = (Weak::clone(&self.core), Weak::clone(&self.usage));
        let asked = Arc::clone(&self.asked);
        let work = move || {
            let (Some(core), Some(usage)) = (core.upgrade(), usage.upgrade()) else { return };
            let _turn = core.recounting.write();
            let asked = std::mem::take(&mut *asked.lock());
            core.while_paused(|| count_again(&usage, &asked));
        };
        let thread = std::thread::Builder::new().name("recount".to_owned()).spawn(work);
        if let Err(error) = thread {
            self.asked.lock().clear();
            tracing::error!(account, %error, "usage cannot be counted again");
        }
    }
}

fn count_again(usage: &AccountUsage, asked: &[(String, Storage)]) {
    let Some(correction) = usage.begin_correction() else { return };
    for (tier, kind) in asked {
        if let Some(drift) = correction.correct(tier, *kind, usage.taken(tier, *kind)) {
            tracing::warn!(
                account = usage.name(),
                tier,
                counted = drift.counted,
                stored = drift.stored,
                "usage was counted wrong and is set right"
            );
        }
    }
}

impl fmt::Debug for Recounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recounter").finish_non_exhaustive()
    }
}
