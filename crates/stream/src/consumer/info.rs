//! What a consumer reports of itself.

use types::{ConsumerInfo, PriorityGroupState, SequenceInfo};

use super::config::ns_between;
use super::pull::AtEnd;
use super::{Consumer, Io, Mode};

impl Consumer {
    /// Its state as of now (`infoWithSnapAndReply`).
    pub(crate) fn info(&mut self, io: &mut Io<'_, '_>) -> ConsumerInfo {
        self.process_waiting(AtEnd::No, io);
        let now = io.ctx.now;
        let paused = self.config.pause_until.is_some_and(|until| until > now);
        let remaining = match self.config.pause_until {
            Some(until) if paused => i64::try_from(ns_between(now, until)).unwrap_or(i64::MAX),
            _ => 0,
        };
        let (waiting, bound, pin) = match &self.mode {
            Mode::Pull(pull) => (pull.len() as u64, false, pull.pin.clone()),
            Mode::Push(push) => (0, push.is_active(), None),
        };
        let groups = self.config.priority_groups.first().map(|group| PriorityGroupState {
            group: group.clone(),
            pinned_client_id: pin.as_ref().map(|p| p.id.clone()).unwrap_or_default(),
            pinned_ts: Some(pin.map(|p| p.since).unwrap_or_default()),
        });
        ConsumerInfo {
            stream_name: io.stream.to_owned(),
            name: self.name.clone(),
            created: self.created,
            config: Some(self.config.clone()),
            delivered: SequenceInfo {
                consumer_seq: self.delivered.consumer,
                stream_seq: self.delivered.stream,
                last_active: self.last_delivery,
            },
            ack_floor: SequenceInfo {
                consumer_seq: self.ack_floor.consumer,
                stream_seq: self.ack_floor.stream,
                last_active: self.last_ack,
            },
            num_ack_pending: self.pending.len() as u64,
            // With one delivery at most there is no redelivery to speak of.
            num_redelivered: if self.config.max_deliver == 1 {
                0
            } else {
                self.redelivery.counts().len() as u64
            },
            num_waiting: waiting,
            num_pending: self.num_pending,
            // Only consumers in a cluster have one, unlike streams.
            cluster: None,
            push_bound: bound,
            paused,
            pause_remaining_ns: remaining,
            ts: now,
            priority_groups: groups.into_iter().collect(),
        }
    }
}
