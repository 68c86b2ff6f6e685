//! What a cluster assigned, as far as reports of accounts need it.

use std::collections::BTreeMap;

use js_account::tier_name;
use types::{AccountLimits, AccountStats, ConsumerConfig, Retention, StreamConfig, TierStats};

use crate::capacity::reserved_storage;

/// A stream that a cluster has assigned to some of its servers, with its consumers
/// (`server/jetstream_cluster.go` `streamAssignment`).
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The stream.
    pub stream: StreamConfig,
    /// Its consumers.
    pub consumers: Vec<ConsumerConfig>,
}

/// Knows what was assigned, on whichever servers it lies.
pub trait Assignments: Send + Sync {
    /// The streams of an account. Must not block.
    fn of_account(&self, account: &str) -> Vec<Assignment>;
}

/// Puts in what a cluster counts otherwise than one server: streams, consumers and reservations
/// are those of all assignments, each once.
pub(crate) fn count_assigned(stats: &mut AccountStats, is_flat: bool, assigned: &[Assignment]) {
    let configs: Vec<StreamConfig> = assigned.iter().map(|one| one.stream.clone()).collect();
    let reserved = |tier: &str| reserved_storage(Some(&configs), tier);
    (stats.totals.reserved_memory, stats.totals.reserved_storage) = reserved("");
    (stats.totals.streams, stats.totals.consumers) = (0, 0);
    for (name, tier) in &mut stats.tiers {
        (tier.reserved_memory, tier.reserved_storage) = reserved(name);
        (tier.streams, tier.consumers) = (0, 0);
    }
    for Assignment { stream, consumers } in assigned {
        stats.totals.streams += 1;
        stats.totals.consumers += consumers.len() as u64;
        if is_flat {
            continue;
        }
        tier(&mut stats.tiers, stream.num_replicas).streams += 1;
        for consumer in consumers {
            tier(&mut stats.tiers, replicas(stream, consumer)).consumers += 1;
        }
    }
}

/// The entry of a tier; made without limits where there is none.
fn tier(tiers: &mut BTreeMap<String, TierStats>, replicas: i64) -> &mut TierStats {
    const NOTHING: TierStats = TierStats {
        memory: 0,
        storage: 0,
        reserved_memory: 0,
        reserved_storage: 0,
        streams: 0,
        consumers: 0,
        limits: AccountLimits {
            max_memory: 0,
            max_storage: 0,
            max_streams: 0,
            max_consumers: 0,
            max_ack_pending: 0,
            memory_max_stream_bytes: 0,
            storage_max_stream_bytes: 0,
            max_bytes_required: false,
        },
    };
    tiers.entry(tier_name(replicas)).or_insert(NOTHING)
}

/// On how many servers a consumer is (`server/consumer.go` `ConsumerConfig.replicas`).
fn replicas(stream: &StreamConfig, consumer: &ConsumerConfig) -> i64 {
    let durable = !consumer.durable_name.is_empty();
    match consumer.num_replicas {
        0 if !durable && stream.retention == Retention::Limits => 1,
        own if own <= 0 || own > stream.num_replicas => stream.num_replicas,
        own => own,
    }
}
