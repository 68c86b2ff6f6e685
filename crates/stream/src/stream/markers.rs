//! Subject delete markers: where the last message of a subject expires, a message that says so
//! takes its place (`server/filestore.go` `expireMsgs`, `handleRemovalOrSdm`).

use std::borrow::Cow;

use store::{Erase, Filter, StoreError};

use super::Stream;
use super::publish::{Ack, Charge, Checked, Put, Rollup};
use crate::consumer::Cause;
use crate::ctx::Ctx;

/// Most messages that expire in one tick.
const AT_ONCE: usize = 4096;
/// A marker that could not be stored is tried again that much later.
const AGAIN_NS: u64 = 1_000_000_000;

impl Stream {
    /// Expires what is due, with a marker where nothing of its subject is left.
    pub(super) fn leave_markers(&mut self, ctx: &Ctx<'_>) {
        for _ in 0..AT_ONCE {
            match self.leave_marker(ctx) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    self.expire_from = ctx.mono_ns.saturating_add(AGAIN_NS);
                    return;
                }
            }
        }
    }

    /// One message; false if none is due.
    fn leave_marker(&mut self, ctx: &Ctx<'_>) -> Result<bool, ()> {
        let ignore = |_: StoreError| ();
        let Some(seq) = self.store.next_due(ctx.now).map_err(ignore)? else { return Ok(false) };
        let Some(msg) = self.store.get(seq).map_err(ignore)? else { return Err(()) };
        let (subject, is_marker) = (msg.subject.to_vec(), is_marker(msg.headers));
        let mut left = 0;
        let filter = Filter::any_of([String::from_utf8_lossy(&subject)]);
        self.store.subject_totals(&filter, &mut |_, total| left += total);
        if left == 1 && !is_marker {
            let ttl_seconds = self.config.subject_delete_marker_ttl_ns / 1_000_000_000;
            let text = format!(
                "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: {}\r\nNats-Rollup: sub\r\n\r\n",
                crate::duration::show(ttl_seconds.saturating_mul(1_000_000_000))
            );
            let put = Put {
                subject: &subject,
                headers: Cow::Owned(text.into_bytes()),
                payload: b"",
                checked: Checked { msg_id: b"", rollup: Rollup::Subject, ttl_seconds },
                charge: Charge::Now,
                ack: Ack::None,
                ts: None,
            };
            return self.put(ctx, put).map(|()| true).map_err(|_| ());
        }
        let removed = self.with_removals(Cause::Limits, ctx, |store, removed| {
            store.remove(seq, Erase::Keep, removed)
        });
        match removed {
            Ok(true) => Ok(true),
            _ => Err(()),
        }
    }
}

/// Whether a message stands for a deleted subject already (`isSubjectDeleteMarker`).
fn is_marker(headers: &[u8]) -> bool {
    let value = |name| wire::headers::get(headers, name).unwrap_or_default();
    !value("Nats-Marker-Reason").is_empty() || value("KV-Operation") == b"PURGE"
}
