//! Reports as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use store::{BlockForm, BlockReport, ConsumerReport, IndexState, Severity, StreamReport};

use super::Looked;

/// Writes all reports as one object.
pub(super) fn write(out: &mut dyn Write, reports: &[Looked]) -> io::Result<()> {
    let streams: Vec<Value> = reports
        .iter()
        .map(|(place, report)| {
            let mut value = match report {
                Ok(report) => stream(report),
                Err(error) => json!({ "name": place.name, "error": error.to_string() }),
            };
            if let Value::Object(object) = &mut value {
                object.insert("account".to_owned(), place.account().into());
            }
            value
        })
        .collect();
    let sound = super::outcome(reports) == super::Outcome::Sound;
    let all = json!({ "sound": sound, "streams": streams });
    writeln!(out, "{all:#}")
}

/// How a block lies on disk, in a word.
pub(super) fn form(form: BlockForm) -> &'static str {
    match form {
        BlockForm::Plain => "plain",
        BlockForm::Compressed => "s2",
        BlockForm::Encrypted => "encrypted",
        BlockForm::Unreadable => "unreadable",
    }
}

/// What an index is worth, in a word.
pub(super) fn index(state: IndexState) -> &'static str {
    match state {
        IndexState::Absent => "absent",
        IndexState::Exact => "exact",
        IndexState::Stale => "stale",
        IndexState::Damaged => "damaged",
        IndexState::Encrypted => "encrypted",
    }
}

fn stream(report: &StreamReport) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let damage = finding.severity == Severity::Damage;
            json!({ "damage": damage, "part": finding.part, "text": finding.text })
        })
        .collect();
    json!({
        "name": report.name,
        "sound": report.is_sound(),
        "encrypted": report.encrypted,
        "created": report.created.map(|created| created.to_string()),
        "config": report.config,
        "messages": report.msgs,
        "bytes": report.bytes,
        "first_seq": report.first_seq,
        "last_seq": report.last_seq,
        "num_subjects": report.subjects,
        "index": index(report.index),
        "schedules": report.schedules,
        "lost": report.lost,
        "blocks": report.blocks.iter().map(block).collect::<Vec<_>>(),
        "consumers": report.consumers.iter().map(consumer).collect::<Vec<_>>(),
        "findings": findings,
    })
}

fn block(block: &BlockReport) -> Value {
    json!({
        "index": block.index,
        "form": form(block.form),
        "file_bytes": block.file_bytes,
        "content_bytes": block.content_bytes,
        "first_seq": block.first_seq,
        "last_seq": block.last_seq,
        "messages": block.msgs,
        "bytes": block.bytes,
        "dead_records": block.dead_records,
        "tombstones": block.tombstones,
        "damaged_bytes": block.damaged_bytes,
    })
}

fn consumer(consumer: &ConsumerReport) -> Value {
    let state = consumer.state.as_ref().map(|state| {
        json!({
            "delivered": state.delivered,
            "ack_floor": state.ack_floor,
            "num_pending_acks": state.pending.len(),
            "num_redelivered": state.redelivered.len(),
        })
    });
    json!({ "name": consumer.name, "config": consumer.config, "state": state })
}
