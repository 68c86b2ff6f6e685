//! What a stream reports of itself.

use std::collections::BTreeMap;

use store::Filter;
use types::api::{MAX_SUBJECT_DETAILS, Paged, StreamInfoReply, StreamInfoRequest};
use types::{ClusterInfo, StreamInfo, StreamState};

use super::Stream;
use crate::ctx::Ctx;

impl Stream {
    /// Messages that will end by a lifetime of their own.
    pub fn mortal_msgs(&self) -> usize {
        self.store.mortal()
    }

    /// Content, without details.
    pub fn state(&self) -> StreamState {
        let totals = self.store.totals();
        StreamState {
            msgs: totals.msgs,
            bytes: totals.bytes,
            // Before the first message there is no first sequence.
            first_seq: if totals.last_seq == 0 { 0 } else { totals.first_seq },
            first_ts: totals.first_ts,
            last_seq: totals.last_seq,
            last_ts: totals.last_ts,
            num_subjects: totals.num_subjects,
            num_deleted: totals.num_deleted,
            consumer_count: self.consumers.iter().filter(|c| !c.config.direct).count() as u64,
            lost: self.store.lost(),
            ..StreamState::default()
        }
    }

    /// Description without details, as creation, update and lists answer it: without cluster.
    pub fn brief_info(&self, ctx: &Ctx<'_>) -> StreamInfo {
        StreamInfo {
            config: self.config.clone(),
            created: self.created,
            state: self.state(),
            domain: self.env.domain.clone(),
            mirror: self.mirror_info(ctx),
            sources: self.sources_info(ctx),
            ts: ctx.now,
            store_error: self.store.trouble().unwrap_or_default(),
            ..StreamInfo::default()
        }
    }

    /// Description with what the request asks for (`jsStreamInfoRequest`).
    pub fn info(&mut self, ctx: &Ctx<'_>, request: &StreamInfoRequest) -> StreamInfoReply {
        let mut info = self.brief_info(ctx);
        info.cluster =
            Some(ClusterInfo { name: String::new(), leader: self.env.server_name.clone() });
        if request.deleted_details {
            info.state.deleted = self.store.deleted(usize::MAX);
        }
        let mut page = Paged::default();
        if !request.subjects_filter.is_empty() {
            let filter = Filter::any_of([request.subjects_filter.as_str()]);
            let (mut total, mut subjects) = (0, BTreeMap::new());
            self.store.subject_totals(&filter, &mut |subject, count| {
                if total >= request.offset && subjects.len() < MAX_SUBJECT_DETAILS {
                    subjects.insert(String::from_utf8_lossy(subject).into_owned(), count);
                }
                total += 1;
            });
            if total > 0 {
                page = Paged { total, offset: request.offset, limit: MAX_SUBJECT_DETAILS };
                info.state.subjects = (!subjects.is_empty()).then_some(subjects);
            }
        }
        StreamInfoReply { page, info }
    }
}
