//! Reports for people.

use std::io::{self, Write};

use config_validate::bytes::friendly_bytes;
use store::{
    BlockReport, ConsumerReport, Finding, MendError, Mended, Severity, StreamPlace, StreamReport,
};

use super::{Looked, json};

/// What is sound and what is not.
pub(super) fn verify(out: &mut dyn Write, reports: &[Looked]) -> io::Result<()> {
    let mut damaged = 0;
    for (place, report) in reports {
        match report {
            Ok(report) => {
                damaged += usize::from(!report.is_sound());
                writeln!(out, "{}: {}", title(place), verdict(report))?;
                write_findings(out, &report.findings)?;
            }
            Err(error) => {
                damaged += 1;
                writeln!(out, "{}: cannot be read: {error}", title(place))?;
            }
        }
    }
    let sound = reports.len() - damaged;
    writeln!(out, "{}: {sound} sound, {damaged} damaged", count(reports.len(), "stream"))
}

/// Everything that is known of the streams.
pub(super) fn inspect(out: &mut dyn Write, reports: &[Looked]) -> io::Result<()> {
    for (place, report) in reports {
        match report {
            Ok(report) => inspect_one(out, place, report)?,
            Err(error) => writeln!(out, "{}: cannot be read: {error}", title(place))?,
        }
    }
    Ok(())
}

/// What a repair did.
pub(super) fn repair(
    out: &mut dyn Write,
    place: &StreamPlace,
    mended: &Result<Mended, MendError>,
) -> io::Result<()> {
    let title = title(place);
    match mended {
        Err(error) => writeln!(out, "{title}: NOT REPAIRED: {error}"),
        Ok(mended) if mended.actions.is_empty() => {
            writeln!(out, "{title}: {}, nothing done", verdict(&mended.after))
        }
        Ok(mended) => {
            writeln!(out, "{title}: found")?;
            write_findings(out, &mended.before.findings)?;
            writeln!(out, "  done:")?;
            for action in &mended.actions {
                writeln!(out, "    {action}")?;
            }
            writeln!(out, "  now: {}", verdict(&mended.after))?;
            write_findings(out, &mended.after.findings)
        }
    }
}

fn title(place: &StreamPlace) -> String {
    format!("{} > {}", place.account(), place.name)
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are printed")]
    friendly_bytes(bytes as f64)
}

fn verdict(report: &StreamReport) -> String {
    let state = match (report.is_sound(), report.encrypted) {
        (false, _) => "DAMAGED",
        (true, true) => "encrypted, not looked into",
        (true, false) => "sound",
    };
    let blocks = count(report.blocks.len(), "block");
    let consumers = count(report.consumers.len(), "consumer");
    format!("{state} ({} messages, {blocks}, {consumers})", report.msgs)
}

fn write_findings(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    for Finding { severity, part, text } in findings {
        match severity {
            Severity::Damage => writeln!(out, "  {part}: {text}")?,
            Severity::Note => writeln!(out, "  note: {part}: {text}")?,
        }
    }
    Ok(())
}

fn inspect_one(out: &mut dyn Write, place: &StreamPlace, report: &StreamReport) -> io::Result<()> {
    writeln!(out, "{}: {}", title(place), verdict(report))?;
    if let (Some(config), Some(created)) = (&report.config, report.created) {
        writeln!(out, "  created {created}, listens on {}", config.subjects.join(", "))?;
    }
    writeln!(
        out,
        "  {} messages, {}, sequences {} to {}, {} subjects, index.db {}",
        report.msgs,
        size(report.bytes),
        report.first_seq,
        report.last_seq,
        report.subjects,
        json::index(report.index)
    )?;
    if let Some(schedules) = report.schedules {
        writeln!(out, "  {schedules} message schedules at the last stop")?;
    }
    if let Some(lost) = &report.lost {
        writeln!(out, "  lost before: {} messages, {}", lost.msgs.len(), size(lost.bytes))?;
    }
    if !report.blocks.is_empty() {
        writeln!(
            out,
            "  {:>8} {:>10} {:>10} {:>12} {:>12} {:>10} {:>8} {:>10}",
            "block", "form", "size", "first", "last", "messages", "dead", "tombstones"
        )?;
    }
    for block in &report.blocks {
        let BlockReport { index, first_seq, last_seq, msgs, dead_records, tombstones, .. } = block;
        writeln!(
            out,
            "  {index:>8} {:>10} {:>10} {first_seq:>12} {last_seq:>12} {msgs:>10} \
             {dead_records:>8} {tombstones:>10}",
            json::form(block.form),
            size(block.file_bytes),
        )?;
    }
    for consumer in &report.consumers {
        inspect_consumer(out, consumer)?;
    }
    write_findings(out, &report.findings)
}

fn inspect_consumer(out: &mut dyn Write, consumer: &ConsumerReport) -> io::Result<()> {
    write!(out, "  consumer {}: ", consumer.name)?;
    match &consumer.state {
        None => writeln!(out, "no state"),
        Some(state) => writeln!(
            out,
            "delivered {} (stream {}), acknowledged up to {} (stream {}), {} pending, {} redelivered",
            state.delivered.consumer,
            state.delivered.stream,
            state.ack_floor.consumer,
            state.ack_floor.stream,
            state.pending.len(),
            state.redelivered.len()
        ),
    }
}
