//! Being an origin: what other streams of the server read of this one.

use store::{ConsumerMeta, StoreError};
use types::advisory::Action;
use types::{
    AckPolicy, ApiError, ConsumerConfig, DeliverPolicy, ReplayPolicy, SequencePair, errors,
};

use super::Stream;
use super::origins::keeps_for_readers;
use crate::consumer::Consumer;
use crate::ctx::Ctx;
use crate::effects::Effects;
use crate::errors::store_failed;
use crate::origins::{OriginBatch, OriginRead};

/// How long an origin waits for its reader's progress in the reference.
const HEARTBEAT_NS: i64 = 1_000_000_000;

impl Stream {
    /// Committed messages for another stream; `None` if there are none yet, and the read is to be
    /// tried again when some are committed.
    ///
    /// # Errors
    /// 10059 where the stream is closed, 10104 where it cannot keep the reader's place, 10077 from
    /// the store.
    pub fn read_origin(
        &mut self,
        ctx: &Ctx<'_>,
        read: &mut OriginRead,
        fx: &mut Effects,
    ) -> Result<Option<OriginBatch>, ApiError> {
        if self.closed {
            return Err(errors::STREAM_NOT_FOUND.err());
        }
        let keeps = keeps_for_readers(self.config.retention);
        let mut from = read.from.seq.max(1);
        if let Some(time) = read.from.time.take() {
            from = from.max(self.store.seq_at_time(time));
        }
        let first_seq = self.store.totals().first_seq;
        if read.first {
            // What is not there yet cannot be waited for by number: the origin may be a new one.
            from = from.min(self.committed + 1).max(first_seq);
        }
        if keeps {
            from = self.keep_reader(ctx, read, from, fx)?;
        }
        let mut batch = OriginBatch::default();
        batch.keeps = keeps;
        if read.first {
            batch.began = Some(from);
        }
        while !batch.is_full() {
            let found = self.store.next_match(&read.filter, from);
            let found = found.map_err(|error| store_failed(&error))?;
            let Some(msg) = found.filter(|msg| msg.seq <= self.committed) else {
                from = from.max(self.committed + 1);
                break;
            };
            batch.push(&msg);
            from = msg.seq + 1;
        }
        read.from.seq = from;
        if batch.is_empty() && !read.first {
            return Ok(None);
        }
        batch.next = from;
        batch.pending = match from > self.committed {
            true => 0,
            false => self.store.count_from(from, &read.filter),
        };
        Ok(Some(batch))
    }

    /// Where messages go when nobody needs them, a consumer stands for the reader: it needs what
    /// the reader has not made safe. Answers where to read (`jsConsumerCreateRequest` for
    /// consumers that are `sourcing`).
    fn keep_reader(
        &mut self,
        ctx: &Ctx<'_>,
        read: &OriginRead,
        from: u64,
        fx: &mut Effects,
    ) -> Result<u64, ApiError> {
        let slot = match self.consumers.find(read.reader.name.as_bytes()) {
            Some(slot) => slot,
            None => self.add_reader(ctx, read, from, fx)?,
        };
        let floor = self.with_consumer(slot, ctx, fx, |c, io| -> Result<u64, StoreError> {
            if c.filter.patterns() != read.filter.patterns() {
                let mut config = c.config.clone();
                set_filter(&mut config, read.filter.patterns());
                c.update(config, 0, io)?;
            }
            c.settle_up_to(read.safe.min(io.last), io);
            Ok(c.ack_floor.stream)
        });
        let floor = floor.unwrap_or(Ok(0)).map_err(|e| errors::CONSUMER_STORE_FAILED.with(e));
        self.drop_settled(ctx);
        Ok(from.max(floor? + 1))
    }

    fn add_reader(
        &mut self,
        ctx: &Ctx<'_>,
        read: &OriginRead,
        from: u64,
        fx: &mut Effects,
    ) -> Result<u32, ApiError> {
        let name = read.reader.name.clone();
        let mut config = ConsumerConfig {
            durable_name: name.clone(),
            name: name.clone(),
            deliver_policy: DeliverPolicy::ByStartSequence,
            opt_start_seq: from,
            ack_policy: AckPolicy::FlowControl,
            replay_policy: ReplayPolicy::Instant,
            // Nobody listens there: the reader is served by other ways.
            deliver_subject: format!("$JS.S.{name}"),
            flow_control: true,
            idle_heartbeat_ns: HEARTBEAT_NS,
            sourcing: true,
            ..ConsumerConfig::default()
        };
        set_filter(&mut config, read.filter.patterns());
        config.metadata = read.reader.metadata.iter().cloned().collect();
        let slot = self.add_consumer(ConsumerMeta { name, created: ctx.now, config }, ctx, fx)?;
        self.tell_consumer(slot, Action::Create, fx);
        Ok(slot)
    }

    /// Whether committed messages from `seq` on may be there.
    pub fn has_committed(&self, seq: u64) -> bool {
        self.committed >= seq
    }
}

fn set_filter(config: &mut ConsumerConfig, patterns: &[String]) {
    config.filter_subject = String::new();
    config.filter_subjects = Vec::new();
    match patterns {
        [] => {}
        [only] => config.filter_subject.clone_from(only),
        many => config.filter_subjects = many.to_vec(),
    }
}

impl Consumer {
    /// Everything up to `seq` is safe with a reader that was not served by deliveries.
    pub(crate) fn settle_up_to(&mut self, seq: u64, io: &mut crate::consumer::Io<'_, '_>) {
        if seq <= self.ack_floor.stream {
            return;
        }
        let mut from = self.ack_floor.stream + 1;
        let mut count = 0;
        while let Ok(Some(msg)) = io.store.next_match(self.filter.store(), from) {
            if msg.seq > seq {
                break;
            }
            io.settled.push(msg.seq);
            count += 1;
            from = msg.seq + 1;
        }
        let place = SequencePair { consumer: self.delivered.consumer + count, stream: seq };
        self.delivered = place;
        self.ack_floor = place;
        self.next_seq = self.next_seq.max(seq + 1);
        self.recount(io.store);
        self.touched(io.ctx);
    }
}
