//! Where in the stream a new consumer starts.

use store::{StoreError, StreamStore};
use types::{DeliverPolicy, ReplayPolicy, SequencePair};

use super::{Consumer, Replay, SkipList};

impl Consumer {
    /// Chooses the first message by deliver policy (`selectStartingSeqNo`).
    pub(crate) fn start(
        &mut self,
        store: &mut dyn StreamStore,
        max_per_subject: i64,
    ) -> Result<(), StoreError> {
        let totals = store.totals();
        let filter = self.filter.store().clone();
        let mut from = match self.config.deliver_policy {
            _ if self.config.opt_start_seq > 0 => self.config.opt_start_seq,
            DeliverPolicy::All => totals.first_seq,
            DeliverPolicy::Last if filter.is_all() => totals.last_seq,
            DeliverPolicy::Last => {
                store.last_match(&filter, totals.last_seq)?.map_or(0, |last| last.seq)
            }
            DeliverPolicy::LastPerSubject if max_per_subject == 1 => totals.first_seq,
            DeliverPolicy::LastPerSubject => {
                let seqs = store.last_per_subject(&filter, totals.last_seq);
                let first = seqs.first().copied();
                if first.is_some() {
                    self.skip = Some(SkipList { seqs: seqs.into() });
                }
                first.unwrap_or(totals.last_seq + 1)
            }
            DeliverPolicy::ByStartTime => match self.config.opt_start_time {
                Some(time) => store.seq_at_time(time),
                None => totals.last_seq + 1,
            },
            DeliverPolicy::New | DeliverPolicy::ByStartSequence | DeliverPolicy::Undefined => {
                totals.last_seq + 1
            }
        };
        if from > totals.last_seq && self.config.opt_start_seq == 0 {
            from = totals.last_seq + 1;
        } else if from < totals.first_seq {
            from = totals.first_seq;
        }
        self.next_seq = if self.skip.is_some() { totals.last_seq + 1 } else { from };
        self.delivered = SequencePair { consumer: 0, stream: from - 1 };
        self.ack_floor = self.delivered;
        self.recount(store);
        self.start_replay(totals.last_seq);
        Ok(())
    }

    /// Whether it starts with a list of last messages, which is not stored.
    pub(crate) fn starts_with_list(&self) -> bool {
        self.config.deliver_policy == DeliverPolicy::LastPerSubject
    }

    /// With "replay original", what is stored now is delivered at its own pace.
    pub(crate) fn start_replay(&mut self, last_seq: u64) {
        self.replay = (self.config.replay_policy == ReplayPolicy::Original)
            .then_some(Replay { until_seq: last_seq, last: None });
    }

    /// Starts over where the acknowledged messages end, or at `seq`
    /// (`resetStartingSeq`); answers the sequence, or why not.
    pub(crate) fn reset(
        &mut self,
        seq: u64,
        store: &mut dyn StreamStore,
    ) -> Result<u64, &'static str> {
        let to = match self.config.deliver_policy {
            _ if seq == 0 => self.ack_floor.stream + 1,
            DeliverPolicy::All => seq,
            DeliverPolicy::ByStartSequence if seq < self.config.opt_start_seq => {
                return Err("below start seq");
            }
            DeliverPolicy::ByStartSequence => seq,
            DeliverPolicy::ByStartTime => {
                let first = self.config.opt_start_time.map_or(1, |time| store.seq_at_time(time));
                if seq < first {
                    return Err("below start time");
                }
                seq
            }
            DeliverPolicy::Last
            | DeliverPolicy::New
            | DeliverPolicy::LastPerSubject
            | DeliverPolicy::Undefined => return Err("not allowed"),
        };
        self.skip = None;
        self.next_seq = to.max(1);
        self.delivered = SequencePair { consumer: 0, stream: self.next_seq - 1 };
        self.ack_floor = self.delivered;
        self.pending.clear();
        self.redelivery.clear();
        self.queued = 0;
        self.recount(store);
        self.wake_for_delivery = true;
        Ok(self.next_seq)
    }
}
