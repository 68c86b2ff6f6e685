//! Direct gets: stored messages, answered without the API's JSON.

use store::{Filter, MsgRef, StoreError};
use types::api::MsgGetRequest;

use super::Stream;
use super::publish::start_headers;
use crate::ctx::Ctx;
use crate::effects::Effects;
use crate::request;

/// Most subjects that `multi_last` answers.
const MAX_MULTI: usize = 1024;

/// A direct get request.
#[derive(Clone, Copy, Debug)]
pub struct DirectGet<'a> {
    /// What followed the stream name in the request's subject: the last message of that subject.
    pub last_by_subject: Option<&'a [u8]>,
    /// Header block of the request, or empty.
    pub headers: &'a [u8],
    /// The request's JSON.
    pub payload: &'a [u8],
    /// Where to answer.
    pub reply: &'a [u8],
}

/// What the answers of a batch tell about the rest of it.
#[derive(Clone, Copy, Debug)]
struct Batch {
    pending: u64,
    last_seq: u64,
}

impl Stream {
    /// Answers a direct get (`processDirectGetRequest`, `getDirectRequest`).
    pub fn direct_get(&mut self, ctx: &Ctx<'_>, get: DirectGet<'_>, fx: &mut Effects) {
        if get.reply.is_empty() || self.closed {
            return;
        }
        let _ = ctx;
        if needs_newer_server(get.headers) {
            return status(fx, get.reply, "412 Required Api Level");
        }
        match get.last_by_subject {
            Some(subject) => self.get_by_subject(subject, &get, fx),
            None => self.get_by_request(&get, fx),
        }
    }

    fn get_by_subject(&mut self, subject: &[u8], get: &DirectGet<'_>, fx: &mut Effects) {
        let request: MsgGetRequest = if get.payload.is_empty() {
            MsgGetRequest::default()
        } else {
            match request::lenient(get.payload, request::GET_FIELDS) {
                Ok(request) => request,
                Err(_) => return status(fx, get.reply, "408 Malformed Request"),
            }
        };
        let allowed = MsgGetRequest {
            max_bytes: request.max_bytes,
            no_hdr: request.no_hdr,
            ..MsgGetRequest::default()
        };
        if subject.is_empty() || request != allowed {
            return status(fx, get.reply, "408 Bad Request");
        }
        let name = self.config.name.as_str();
        // Without wildcards the store's index knows the place.
        let found = if subject::has_wildcards(subject) {
            let filter = Filter::any_of([String::from_utf8_lossy(subject)]);
            self.store.last_match(&filter, u64::MAX)
        } else {
            match self.store.last_seq_of(subject) {
                0 => Ok(None),
                seq => self.store.get(seq),
            }
        };
        match found {
            Ok(Some(msg)) => answer(fx, get.reply, name, &msg, None, request.no_hdr),
            Ok(None) | Err(_) => status(fx, get.reply, "404 Message Not Found"),
        }
    }

    fn get_by_request(&mut self, get: &DirectGet<'_>, fx: &mut Effects) {
        if get.payload.is_empty() {
            return status(fx, get.reply, "408 Empty Request");
        }
        let request: MsgGetRequest = match request::lenient(get.payload, request::GET_FIELDS) {
            Ok(request) => request,
            Err(_) => return status(fx, get.reply, "408 Malformed Request"),
        };
        if let Some(line) = refuse(&request) {
            return status(fx, get.reply, line);
        }
        let result = if request.multi_last.is_empty() {
            self.get_each(&request, get.reply, fx)
        } else {
            self.get_multi(&request, get.reply, fx)
        };
        if let Err(error) = result {
            status(fx, get.reply, &format!("500 {error}"));
        }
    }

    fn max_bytes(&self, request: &MsgGetRequest) -> usize {
        match request.max_bytes {
            0 => usize::try_from(self.env.max_pending).unwrap_or(usize::MAX),
            most => most,
        }
    }

    /// One message, or a batch from a sequence, a time or by subject.
    fn get_each(
        &mut self,
        request: &MsgGetRequest,
        reply: &[u8],
        fx: &mut Effects,
    ) -> Result<(), StoreError> {
        let mut seq = match request.start_time {
            Some(time) => self.store.seq_at_time(time),
            None => request.seq,
        };
        let next = (!request.next_by_subj.is_empty())
            .then(|| Filter::any_of([request.next_by_subj.as_str()]));
        let is_batch = request.batch > 0;
        let filter = next.clone().unwrap_or_default();
        let pending = if is_batch { self.store.count_from(seq, &filter) } else { 0 };
        let mut batch = Batch { pending, last_seq: 0 };
        let most = self.max_bytes(request);
        let mut sent = 0usize;
        for turn in 0..request.batch.max(1) {
            let found = if next.is_some() || seq > 0 && (turn > 0 || is_batch) {
                self.store.next_match(&filter, seq)?
            } else if seq > 0 {
                self.store.get(seq)?
            } else {
                let last = Filter::any_of([request.last_by_subj.as_str()]);
                self.store.last_match(&last, u64::MAX)?
            };
            let Some(msg) = found else {
                if request.batch > 1 && turn > 0 {
                    break;
                }
                status(fx, reply, "404 Message Not Found");
                return Ok(());
            };
            batch.pending = batch.pending.saturating_sub(1);
            let shown = is_batch.then_some(batch);
            answer(fx, reply, &self.config.name, &msg, shown, request.no_hdr);
            batch.last_seq = msg.seq;
            seq = msg.seq + 1;
            sent += msg.subject.len() + msg.headers.len() + msg.payload.len();
            if sent >= most {
                break;
            }
        }
        if is_batch {
            end_of_batch(fx, reply, batch, None);
        }
        Ok(())
    }

    /// The last message of each subject that matches (`getDirectMulti`).
    fn get_multi(
        &mut self,
        request: &MsgGetRequest,
        reply: &[u8],
        fx: &mut Effects,
    ) -> Result<(), StoreError> {
        let totals = self.store.totals();
        let mut up_to = request.up_to_seq;
        if let Some(time) = request.up_to_time {
            up_to = self.store.seq_at_time(time);
            if up_to <= totals.first_seq {
                status(fx, reply, "404 No Results");
                return Ok(());
            }
            up_to -= 1;
        }
        if up_to == 0 {
            up_to = totals.last_seq;
        }
        let filter = Filter::any_of(request.multi_last.iter().map(String::as_str));
        let seqs = self.store.last_per_subject(&filter, up_to);
        if seqs.len() > MAX_MULTI {
            status(fx, reply, "413 Too Many Results");
            return Ok(());
        }
        if seqs.is_empty() {
            status(fx, reply, "404 No Results");
            return Ok(());
        }
        let mut batch = Batch { pending: seqs.len() as u64, last_seq: 0 };
        let most = self.max_bytes(request);
        let (mut sent, mut bytes) = (0usize, 0usize);
        for seq in seqs {
            batch.pending = batch.pending.saturating_sub(1);
            if seq < request.seq {
                continue;
            }
            let Some(msg) = self.store.get(seq)? else {
                status(fx, reply, "404 Message Not Found");
                return Ok(());
            };
            answer(fx, reply, &self.config.name, &msg, Some(batch), false);
            batch.last_seq = seq;
            bytes += msg.subject.len() + msg.headers.len() + msg.payload.len();
            sent += 1;
            if bytes >= most || request.batch > 0 && sent >= request.batch {
                break;
            }
        }
        end_of_batch(fx, reply, batch, Some(up_to));
        Ok(())
    }
}

/// What is wrong with a request; the status line.
fn refuse(request: &MsgGetRequest) -> Option<&'static str> {
    let by_seq = request.seq > 0;
    let by_last = !request.last_by_subj.is_empty();
    let by_next = !request.next_by_subj.is_empty();
    let by_multi = !request.multi_last.is_empty();
    let by_time = request.start_time.is_some();
    if !by_seq && !by_last && !by_next && !by_multi && !by_time {
        return Some("408 Empty Request");
    }
    let clash = by_seq && by_time
        || by_last && (by_seq || by_time || by_next || by_multi || request.batch > 0)
        || by_next && by_multi
        || request.up_to_seq > 0 && request.up_to_time.is_some();
    clash.then_some("408 Bad Request")
}

/// Whether the request asks for an API level that this server does not speak.
fn needs_newer_server(headers: &[u8]) -> bool {
    if headers.is_empty() {
        return false;
    }
    let level = wire::headers::get(headers, "Nats-Required-Api-Level");
    level.is_some_and(|level| {
        crate::headers::number(level).is_none_or(|n| n > u64::from(types::API_LEVEL))
    })
}

fn status(fx: &mut Effects, reply: &[u8], line: &str) {
    let mut m = fx.message(reply);
    m.headers(b"NATS/1.0 ");
    m.headers(line.as_bytes());
    m.headers(b"\r\n\r\n");
}

fn answer(
    fx: &mut Effects,
    reply: &[u8],
    stream: &str,
    msg: &MsgRef<'_>,
    batch: Option<Batch>,
    no_headers: bool,
) {
    let mut m = fx.message(reply);
    if !no_headers {
        start_headers(&mut m, msg.headers);
        m.headers(b"Nats-Stream: ");
        m.headers(stream.as_bytes());
        m.headers(b"\r\nNats-Subject: ");
        m.headers(msg.subject);
        m.headers(b"\r\nNats-Sequence: ");
        m.header_number(msg.seq);
        m.headers(b"\r\nNats-Time-Stamp: ");
        m.header_display(msg.ts);
        if let Some(batch) = batch {
            m.headers(b"\r\nNats-Num-Pending: ");
            m.header_number(batch.pending);
            m.headers(b"\r\nNats-Last-Sequence: ");
            m.header_number(batch.last_seq);
        }
        m.headers(b"\r\n\r\n");
    }
    m.payload(msg.payload);
}

fn end_of_batch(fx: &mut Effects, reply: &[u8], batch: Batch, up_to: Option<u64>) {
    let mut m = fx.message(reply);
    m.headers(b"NATS/1.0 204 EOB\r\nNats-Num-Pending: ");
    m.header_number(batch.pending);
    m.headers(b"\r\nNats-Last-Sequence: ");
    m.header_number(batch.last_seq);
    if let Some(up_to) = up_to {
        m.headers(b"\r\nNats-UpTo-Sequence: ");
        m.header_number(up_to);
    }
    m.headers(b"\r\n\r\n");
}
