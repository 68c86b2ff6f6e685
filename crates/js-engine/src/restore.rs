//! Restores of streams: checked and claimed at the start, unpacked on the caller's thread, put in
//! place and taken over by a shard at the end (`server/stream.go` `RestoreStream`).

use std::io::Read;
use std::sync::Arc;

use config_validate::asset_name::{MAX_NAME_LEN, is_valid_asset_name};
use config_validate::asset_version;
use config_validate::consumer_config;
use config_validate::stream_config::{Strictness, check_stream_config_among};
use js_account::StreamQuota;
use store::{ConsumerMeta, RestoreError, Staged, StreamStore};
use stream::{Ctx, Effects, Stream, StreamParts};
use types::{ApiError, Storage, StreamConfig, StreamInfo, errors};

use crate::account::{JsAccount, check_supported};
use crate::registry::{EntryParts, Knowledge, Standing, StreamEntry};
use crate::shard::{Input, Open};
use crate::stores::Found;

/// A stream that is being restored: its name, subjects and bytes are reserved. Dropped, all of it
/// is given back.
pub struct StreamRestore {
    account: Arc<JsAccount>,
    entry: Arc<StreamEntry>,
    done: bool,
}

impl JsAccount {
    /// Checks the configuration that a restored stream is to have, and reserves its place.
    ///
    /// # Errors
    /// Those of a create; 10130 where the name is taken.
    pub fn begin_restore(
        self: &Arc<Self>,
        config: StreamConfig,
    ) -> Result<StreamRestore, ApiError> {
        let limits = self.limits(config.num_replicas)?;
        let config = check_stream_config_among(config, &limits, Strictness::Lenient, &|name| {
            self.config_of(name)
        })?;
        check_supported(&config)?;
        self.check_origins(&config)?;
        if !asset_version::is_supported(&config.metadata) {
            return Err(errors::REQUIRED_API_LEVEL.err());
        }
        if config.storage == Storage::Memory {
            return Err(errors::STREAM_RESTORE.with("a memory stream can not be restored"));
        }
        let entry = self.claim_restored(config)?;
        Ok(StreamRestore { account: Arc::clone(self), entry, done: false })
    }

    fn claim_restored(
        self: &Arc<Self>,
        config: StreamConfig,
    ) -> Result<Arc<StreamEntry>, ApiError> {
        let mut streams = self.registered();
        if streams.contains_key(&config.name) {
            return Err(errors::STREAM_NAME_EXIST_RESTORE_FAILED.err());
        }
        let reservation = self.usage().reserve_stream(&config)?;
        if streams.values().any(|other| other.overlaps(&config.subjects)) {
            return Err(errors::STREAM_SUBJECT_OVERLAP.err());
        }
        let (inbox, slot) = self.core().place();
        let entry = StreamEntry::new(EntryParts {
            account: Arc::downgrade(self),
            space: Arc::clone(self.space()),
            inbox,
            slot,
            created: self.now(),
            config,
            reservation,
            standing: Standing::Opening,
            knowledge: Knowledge::Configured,
            offline_consumers: std::collections::BTreeMap::new(),
        });
        streams.insert(entry.name().to_owned(), Arc::clone(&entry));
        Ok(entry)
    }
}

/// What of a limit refuses an upload, in the reference's words (`checkAllLimits`).
fn over_limit(error: ApiError) -> ApiError {
    if error.is(errors::NO_LIMITS) { error } else { errors::STORAGE_RESOURCES_EXCEEDED.err() }
}

impl StreamRestore {
    /// Name of the stream.
    pub fn name(&self) -> &str {
        self.entry.name()
    }

    /// Reads the archive to its end and makes the stream of it. Waits for the archive, the disk
    /// and the shard: not for a thread that must not block.
    ///
    /// # Errors
    /// 10062 with the reason, or the error of the limit or rule that refuses it; nothing is left
    /// of the stream then.
    pub fn run(mut self, archive: &mut dyn Read) -> Result<StreamInfo, ApiError> {
        let name = self.entry.name().to_owned();
        // Charged with what is unpacked, so that no limit is passed meanwhile; the stream settles
        // it with what it holds.
        let quota = self.entry.quota()?;
        let staged = self.unpack(&name, &quota, archive)?;
        let created = staged.created;
        let consumers = self.check_consumers(&staged.consumers)?;
        if !self.account.is_registered(&self.entry) {
            return Err(errors::NOT_ENABLED_FOR_ACCOUNT.err());
        }
        let config = self.entry.config();
        staged.put_in_place(&config, &consumers).map_err(failed)?;
        let stores = Arc::clone(&self.account.core().stores);
        let opened = match stores.open_restored(self.account.name(), &name) {
            Found::Stream { store, .. } => self.take_over(store, quota, created),
            Found::Broken { reason, .. } => Err(failed(reason)),
        };
        if opened.is_err()
            && let Err(error) = stores.discard(self.account.name(), &name)
        {
            tracing::error!(stream = name, %error, "a failed restore cannot be removed");
        }
        self.done = opened.is_ok();
        opened
    }

    fn unpack(
        &self,
        name: &str,
        quota: &StreamQuota,
        archive: &mut dyn Read,
    ) -> Result<Staged, ApiError> {
        let account = &self.account;
        let id = account.core().ids().next_id();
        let staging = account.core().stores.stage(account.name(), &id).map_err(failed)?;
        let mut admit = |bytes| {
            // Not on a shard: usage must not be counted again in the middle of this.
            let _turn = account.core().recounting.read();
            quota.charge(bytes).map_err(over_limit)
        };
        staging.unpack(name, archive, &mut admit).map_err(|error| match error {
            RestoreError::Refused(error) => error,
            RestoreError::Unexpected => {
                failed(format!("unexpected content (account={})", account.name()))
            }
            error => failed(error),
        })
    }

    /// The consumers as they are to be; refused where one could not be created so.
    fn check_consumers(&self, found: &[ConsumerMeta]) -> Result<Vec<ConsumerMeta>, ApiError> {
        let config = self.entry.config();
        let limits = self.account.consumer_limits(config.num_replicas)?;
        let most = [config.max_consumers, limits.account.max_consumers];
        let most = most.into_iter().filter_map(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let most = most.min();
        let mut checked = Vec::with_capacity(found.len());
        for consumer in found {
            let refuse = |reason: &dyn std::fmt::Display| {
                failed(format!("error restoring consumer [{:?}]: {reason}", consumer.name))
            };
            if !is_valid_asset_name(&consumer.name) || consumer.name.len() > MAX_NAME_LEN {
                return Err(refuse(&"the name is not valid"));
            }
            if most.is_some_and(|most| checked.len() >= most) {
                return Err(refuse(&errors::MAXIMUM_CONSUMERS_LIMIT.err().description));
            }
            if !asset_version::is_supported(&consumer.config.metadata) {
                return Err(refuse(&errors::REQUIRED_API_LEVEL.err().description));
            }
            let checked_config = consumer_config::check_consumer_config(
                consumer.config.clone(),
                &config,
                &limits,
                Strictness::Lenient,
            )
            .map_err(|error| refuse(&error.description))?;
            // Those that stand for streams that read this one are the server's own.
            let feature = consumer_config::unsupported_feature(&checked_config);
            if let Some(feature) = feature.filter(|_| !checked_config.sourcing) {
                return Err(refuse(&format!("{feature} is not supported yet")));
            }
            checked.push(ConsumerMeta { config: checked_config, ..consumer.clone() });
        }
        Ok(checked)
    }

    /// Gives the opened store to the stream's shard.
    fn take_over(
        &self,
        store: Box<dyn StreamStore>,
        quota: StreamQuota,
        created: types::Timestamp,
    ) -> Result<StreamInfo, ApiError> {
        let entry = Arc::clone(&self.entry);
        entry.set_created(created);
        let parts = StreamParts {
            account: self.account.name().to_owned(),
            config: (*entry.config()).clone(),
            created,
            store,
            quota,
            env: Arc::clone(&self.account.core().stream_env),
        };
        let build =
            Box::new(move |ctx: &Ctx<'_>, fx: &mut Effects| Stream::restore(ctx, parts, fx));
        let (tx, rx) = crossbeam_channel::bounded(1);
        let made = Arc::clone(&entry);
        let opened =
            Box::new(move |outcome: Result<(&mut Stream, &Ctx<'_>, &mut Effects), ApiError>| {
                let outcome = outcome.map(|(stream, ctx, _)| {
                    made.go_live();
                    stream.brief_info(ctx)
                });
                Box::new(move || drop(tx.send(outcome))) as Box<dyn FnOnce() + Send>
            });
        entry.inbox().send(Input::Open(Open { entry: Arc::clone(&entry), build, opened }));
        rx.recv().unwrap_or_else(|_| Err(errors::NOT_ENABLED.err()))
    }
}

fn failed(reason: impl std::fmt::Display) -> ApiError {
    errors::STREAM_RESTORE.with(reason)
}

impl Drop for StreamRestore {
    fn drop(&mut self) {
        if !self.done {
            self.account.forget(&self.entry);
        }
    }
}
