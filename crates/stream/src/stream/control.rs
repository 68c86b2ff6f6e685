//! The stream's control plane: update, purge, single messages.

use store::{Erase, Filter, Purge, StoreError};
use types::advisory::Action;
use types::api::{MsgDeleteRequest, MsgGetRequest, PurgeRequest, StoredMsg};
use types::{ApiError, StreamConfig, errors};

use super::Stream;
use crate::consumer::Cause;
use crate::ctx::Ctx;
use crate::effects::Effects;
use crate::errors::store_failed;
use crate::headers::PublishHeaders;

impl Stream {
    /// Takes over a changed configuration that was checked against the old one
    /// (`updateWithAdvisory`).
    ///
    /// # Errors
    /// 10052 where consumers stand against it, 10156 for a bad transform, 10077 from the store.
    pub fn update(
        &mut self,
        ctx: &Ctx<'_>,
        config: StreamConfig,
        fx: &mut Effects,
    ) -> Result<(), ApiError> {
        self.check_consumer_limits(&config)?;
        // The store flushes before its limits change: what came in before has its answer then.
        if self.store.is_dirty() {
            self.flush(ctx, self.durability(), fx);
        }
        self.save_origins();
        let old = std::mem::replace(&mut self.config, config);
        if let Err(error) = self.make_transforms() {
            self.config = old;
            return Err(error);
        }
        let new = self.config.clone();
        let updated = self
            .with_removals(Cause::Limits, ctx, |store, removed| store.update_config(&new, removed));
        if let Err(error) = updated {
            self.config = old;
            self.make_transforms()?;
            return Err(store_failed(&error));
        }
        self.make_feeds()?;
        self.settle_quota();
        if self.dedup.window_ns() != new.duplicate_window_ns {
            self.dedup.set_window(new.duplicate_window_ns);
        }
        if old.retention != new.retention {
            self.drop_unneeded_of(&Filter::all(), 0, u64::MAX, ctx)?;
        }
        if old.allow_msg_schedules != new.allow_msg_schedules {
            self.find_schedules_again(ctx);
        }
        self.needs_sync = true;
        self.tell(Action::Modify, fx);
        self.plan_wake(ctx);
        Ok(())
    }

    /// Consumers must keep to changed limits for consumers.
    fn check_consumer_limits(&self, config: &StreamConfig) -> Result<(), ApiError> {
        let limits = config.consumer_limits;
        if limits == self.config.consumer_limits {
            return Ok(());
        }
        let over = |limit: i64, value: i64| limit > 0 && value > limit;
        let mut names: Vec<&str> = self
            .consumers
            .iter()
            .filter(|c| {
                over(limits.inactive_threshold_ns, c.config.inactive_threshold_ns)
                    || over(limits.max_ack_pending, c.config.max_ack_pending)
            })
            .map(|c| c.name.as_str())
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        names.sort_unstable();
        let text = format!("change to limits violates consumers: {}", names.join(", "));
        Err(errors::STREAM_UPDATE.with(text))
    }

    /// Removes messages; answers how many (`purge`).
    ///
    /// # Errors
    /// 10109 sealed, 10110 not permitted, 10003 for `seq` with `keep`, 10110 from the store.
    pub fn purge(&mut self, ctx: &Ctx<'_>, request: &PurgeRequest) -> Result<u64, ApiError> {
        if self.config.sealed {
            return Err(errors::STREAM_SEALED.err());
        }
        if self.config.deny_purge {
            return Err(errors::STREAM_PURGE_FAILED.with("stream purge not permitted"));
        }
        if request.seq > 0 && request.keep > 0 {
            return Err(errors::BAD_REQUEST.err());
        }
        self.needs_sync = true;
        self.purge_now(ctx, &request.filter, request.seq, request.keep)
            .map_err(|error| errors::STREAM_PURGE_FAILED.with(error))
    }

    /// Purges and brings the consumers up to date (`purgeLocked`).
    pub(super) fn purge_now(
        &mut self,
        ctx: &Ctx<'_>,
        filter: &str,
        below_seq: u64,
        keep: u64,
    ) -> Result<u64, StoreError> {
        self.save_before_purge();
        let patterns = (!filter.is_empty()).then(|| filter.to_owned());
        let purge = Purge { filter: Filter::any_of(patterns), below_seq, keep };
        let purged =
            self.with_removals(Cause::Purge, ctx, |store, removed| store.purge(&purge, removed))?;
        self.note_last();
        let totals = self.store.totals();
        let first_left = if purge.filter.is_all() {
            totals.first_seq
        } else {
            // Where the purged subjects go on; consumers of nothing else go on there.
            self.store.next_match(&purge.filter, 0)?.map_or(totals.last_seq + 1, |m| m.seq)
        };
        let Stream { consumers, store, .. } = self;
        for consumer in consumers.iter_mut() {
            let inside = purge.filter.is_all()
                || !consumer.filter.is_all()
                    && consumer
                        .filter
                        .patterns()
                        .iter()
                        .all(|f| subject::is_subset(f.as_bytes(), filter.as_bytes()));
            if inside {
                consumer.purged(first_left, ctx.mono_ns);
            } else if consumer.filter.is_all() || consumer.filter.matches(filter.as_bytes()) {
                consumer.purged(totals.first_seq, ctx.mono_ns);
            }
            consumer.recount(&mut **store);
        }
        self.settle_quota();
        Ok(purged)
    }

    /// Removes one message (`STREAM.MSG.DELETE`).
    ///
    /// # Errors
    /// 10109 sealed, 10057 not permitted or from the store, 10043 not held.
    pub fn delete_msg(&mut self, ctx: &Ctx<'_>, request: MsgDeleteRequest) -> Result<(), ApiError> {
        if self.config.sealed {
            return Err(errors::STREAM_SEALED.err());
        }
        if self.config.deny_delete {
            return Err(errors::STREAM_MSG_DELETE_FAILED.with("message delete not permitted"));
        }
        // The reference's memory store knows no end; its file store does.
        if request.seq > self.last_seq && self.config.storage == types::Storage::File {
            return Err(errors::STREAM_MSG_DELETE_FAILED.with("stream store EOF"));
        }
        let erase = if request.no_erase { Erase::Keep } else { Erase::Overwrite };
        self.needs_sync = true;
        let removed = self.with_removals(Cause::Limits, ctx, |store, removed| {
            store.remove(request.seq, erase, removed)
        });
        match removed {
            Ok(true) => Ok(()),
            Ok(false) => Err(errors::SEQUENCE_NOT_FOUND.with(request.seq)),
            Err(error) => Err(errors::STREAM_MSG_DELETE_FAILED.with(error)),
        }
    }

    /// Reads one message (`STREAM.MSG.GET`).
    ///
    /// # Errors
    /// 10003 for contradicting fields, 10037 if there is none.
    pub fn get_msg(&mut self, request: &MsgGetRequest) -> Result<StoredMsg, ApiError> {
        let by_seq = request.seq > 0;
        let by_last = !request.last_by_subj.is_empty();
        let by_next = !request.next_by_subj.is_empty();
        let by_time = request.start_time.is_some();
        let nothing = !by_seq && !by_last && !by_next && !by_time;
        let clash = by_last && (by_seq || by_time || by_next) || by_seq && by_time;
        if request.batch > 0 || request.max_bytes > 0 || nothing || clash {
            return Err(errors::BAD_REQUEST.err());
        }
        let seq = match request.start_time {
            Some(time) => self.store.seq_at_time(time),
            None => request.seq,
        };
        let found = if by_next {
            self.store.next_match(&Filter::any_of([request.next_by_subj.as_str()]), seq)
        } else if seq > 0 {
            self.store.get(seq)
        } else {
            self.store.last_match(&Filter::any_of([request.last_by_subj.as_str()]), u64::MAX)
        };
        let msg = found.ok().flatten().ok_or_else(|| errors::NO_MESSAGE_FOUND.err())?;
        Ok(StoredMsg {
            subject: String::from_utf8_lossy(msg.subject).into_owned(),
            sequence: msg.seq,
            headers: if request.no_hdr { Vec::new() } else { msg.headers.to_vec() },
            data: msg.payload.to_vec(),
            time: msg.ts,
        })
    }

    /// Finds the message ids within the window again (`rebuildDedupe`).
    pub(super) fn rebuild_dedup(&mut self, ctx: &Ctx<'_>) -> Result<(), ApiError> {
        let window = self.dedup.window_ns();
        let last = self.last_seq;
        let mut from = if window > 0 {
            let since = ctx.now.unix_ns().saturating_sub(window);
            self.store.seq_at_time(types::Timestamp::from_unix_ns(since))
        } else {
            last
        };
        while from > 0 && from <= last {
            let found =
                self.store.next_match(&Filter::all(), from).map_err(|e| store_failed(&e))?;
            let Some(msg) = found else { break };
            let id = PublishHeaders::read(msg.headers).msg_id.unwrap_or_default();
            if !id.is_empty() {
                self.dedup.insert(id, msg.seq, msg.ts);
            }
            if msg.seq == last {
                self.last_msg_id = id.to_vec();
            }
            from = msg.seq + 1;
        }
        Ok(())
    }
}
