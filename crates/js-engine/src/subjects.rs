//! The subjects by which messages reach a stream.

use routing::IngestKind;
use types::StreamConfig;

const NEXT: &str = "$JS.API.CONSUMER.MSG.NEXT.";
const DIRECT_GET: &str = "$JS.API.DIRECT.GET.";

/// The group that answers direct gets (`dgetGroup`).
pub(crate) const DIRECT_GROUP: &[u8] = b"_sys_";

/// All patterns of a stream, with what a message on them means. Direct gets of `stands_in_for`,
/// which is not there, are answered as well.
pub(crate) fn of_stream(
    config: &StreamConfig,
    stands_in_for: Option<&str>,
) -> Vec<(String, IngestKind)> {
    let name = &config.name;
    let mut all: Vec<_> =
        config.subjects.iter().map(|s| (s.clone(), IngestKind::Publish)).collect();
    // Consumer, deliveries, two sequences, time, pending.
    all.push((format!("$JS.ACK.{name}.*.*.*.*.*.*"), IngestKind::Ack));
    all.push((format!("{NEXT}{name}.*"), IngestKind::Next));
    all.push((format!("$JS.FC.{name}.>"), IngestKind::FlowControl));
    let own = config.allow_direct.then_some(name.as_str());
    for name in own.into_iter().chain(stands_in_for) {
        all.push((format!("{DIRECT_GET}{name}"), IngestKind::DirectGet));
        all.push((format!("{DIRECT_GET}{name}.>"), IngestKind::DirectGet));
    }
    all
}

/// The consumer of `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>`.
pub(crate) fn next_consumer(subject: &[u8]) -> &[u8] {
    subject::token_at(subject, 7)
}

/// The subject that `$JS.API.DIRECT.GET.<stream>.<subject>` asks the last message of.
pub(crate) fn direct_get_subject(subject: &[u8]) -> Option<&[u8]> {
    let mut tokens = subject::tokens(subject);
    tokens.nth(4);
    tokens.rest()
}

/// The consumer of `$JS.FC.<stream>.<consumer>.<token>`.
pub(crate) fn flow_control_consumer(subject: &[u8]) -> &[u8] {
    subject::token_at(subject, 4)
}
