//! The JetStream headers of a publish, found in one pass (`server/stream.go` `getHeader` users).

use std::borrow::Cow;

/// `Nats-*` headers that mean something to a stream; the first of each name counts.
#[derive(Debug, Default)]
pub(crate) struct PublishHeaders<'a> {
    pub(crate) msg_id: Option<&'a [u8]>,
    pub(crate) expected_stream: Option<&'a [u8]>,
    pub(crate) expected_last_seq: Option<&'a [u8]>,
    pub(crate) expected_last_subject_seq: Option<&'a [u8]>,
    pub(crate) expected_last_subject: Option<&'a [u8]>,
    pub(crate) expected_last_msg_id: Option<&'a [u8]>,
    pub(crate) rollup: Option<&'a [u8]>,
    pub(crate) ttl: Option<&'a [u8]>,
    pub(crate) incr: Option<&'a [u8]>,
    pub(crate) batch_id: Option<&'a [u8]>,
    pub(crate) batch_sequence: Option<&'a [u8]>,
    pub(crate) batch_commit: Option<&'a [u8]>,
    pub(crate) required_level: Option<&'a [u8]>,
    pub(crate) schedule: Option<&'a [u8]>,
    pub(crate) schedule_next: Option<&'a [u8]>,
    pub(crate) scheduler: Option<&'a [u8]>,
    /// Also there when it is empty, which is no time zone.
    pub(crate) schedule_zone: Option<&'a [u8]>,
    pub(crate) schedule_ttl: Option<&'a [u8]>,
    pub(crate) schedule_rollup: Option<&'a [u8]>,
    pub(crate) schedule_target: Option<&'a [u8]>,
    pub(crate) schedule_source: Option<&'a [u8]>,
    pub(crate) has_request_info: bool,
}

impl<'a> PublishHeaders<'a> {
    /// Reads a header block; lines that are none are passed over.
    pub(crate) fn read(block: &'a [u8]) -> Self {
        let mut found = PublishHeaders::default();
        if block.is_empty() {
            return found;
        }
        let mut rest = block;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, tail) = rest.split_at(end + 1);
            rest = tail;
            let Some(name) = line.strip_prefix(b"Nats-") else { continue };
            let Some(colon) = name.iter().position(|b| *b == b':') else { continue };
            let (name, value) = name.split_at(colon);
            let value = value.get(1..).unwrap_or_default();
            let value = value.strip_suffix(b"\r\n").unwrap_or(value);
            let blanks = value.iter().take_while(|b| **b == b' ').count();
            let value = value.get(blanks..).unwrap_or_default();
            let place = match name {
                b"Msg-Id" => &mut found.msg_id,
                b"Expected-Stream" => &mut found.expected_stream,
                b"Expected-Last-Sequence" => &mut found.expected_last_seq,
                b"Expected-Last-Subject-Sequence" => &mut found.expected_last_subject_seq,
                b"Expected-Last-Subject-Sequence-Subject" => &mut found.expected_last_subject,
                b"Expected-Last-Msg-Id" => &mut found.expected_last_msg_id,
                b"Rollup" => &mut found.rollup,
                b"TTL" => &mut found.ttl,
                b"Incr" => &mut found.incr,
                b"Batch-Id" => &mut found.batch_id,
                b"Batch-Sequence" => &mut found.batch_sequence,
                b"Batch-Commit" => &mut found.batch_commit,
                b"Required-Api-Level" => &mut found.required_level,
                b"Schedule" => &mut found.schedule,
                b"Schedule-Next" => &mut found.schedule_next,
                b"Scheduler" => &mut found.scheduler,
                b"Schedule-TTL" => &mut found.schedule_ttl,
                b"Schedule-Rollup" => &mut found.schedule_rollup,
                b"Schedule-Target" => &mut found.schedule_target,
                b"Schedule-Source" => &mut found.schedule_source,
                b"Schedule-Time-Zone" => {
                    found.schedule_zone.get_or_insert(value);
                    continue;
                }
                b"Request-Info" => {
                    found.has_request_info = true;
                    continue;
                }
                _ => continue,
            };
            if place.is_none() && !value.is_empty() {
                *place = Some(value);
            }
        }
        found
    }
}

/// The block without the account-crossing `Nats-Request-Info` header.
pub(crate) fn without_request_info(block: &[u8]) -> Cow<'_, [u8]> {
    let mut block = block.to_vec();
    wire::headers::remove(&mut block, "Nats-Request-Info");
    Cow::Owned(block)
}

/// A decimal number, or `None`; the reference reads garbage as -1, which matches no sequence.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        if !b.is_ascii_digit() {
            return None;
        }
        n.checked_mul(10)?.checked_add(u64::from(b - b'0'))
    })
}

/// Value of `Nats-TTL` in seconds: -1 is never, `None` is invalid (`parseMessageTTL`).
pub(crate) fn ttl_seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.eq_ignore_ascii_case("never") {
        return Some(-1);
    }
    if let Some(ns) = crate::duration::parse(text) {
        return (ns >= 1_000_000_000).then_some(ns / 1_000_000_000);
    }
    number(text.as_bytes()).and_then(|n| i64::try_from(n).ok())
}
