//! The streams of an account as its limits see them.

use std::collections::BTreeMap;

use types::{Storage, StreamConfig};

use crate::tier::{is_same_tier, tier_name};

/// Identifies an entry of a [`Listing`].
pub(crate) type ListingId = u64;

/// One stream that is registered on this server, offline ones included.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The tier that it is accounted under.
    pub(crate) tier: String,
    /// As configured.
    pub(crate) config: StreamConfig,
}

/// Streams in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    next: ListingId,
    streams: BTreeMap<ListingId, Listed>,
}

impl Listing {
    pub(crate) fn add(&mut self, tier: &str, config: &StreamConfig) -> ListingId {
        let id = self.next;
        self.next += 1;
        // Only what limits look at.
        let config = StreamConfig {
            name: config.name.clone(),
            storage: config.storage,
            num_replicas: config.num_replicas,
            max_bytes: config.max_bytes,
            ..StreamConfig::default()
        };
        self.streams.insert(id, Listed { tier: tier.to_owned(), config });
        id
    }

    pub(crate) fn remove(&mut self, id: ListingId) {
        self.streams.remove(&id);
    }

    pub(crate) fn set_max_bytes(&mut self, id: ListingId, max_bytes: i64) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.config.max_bytes = max_bytes;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Streams accounted under a tier.
    pub(crate) fn in_tier(&self, tier: &str) -> u64 {
        self.streams.values().filter(|stream| stream.tier == tier).count() as u64
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.streams.values().map(|stream| stream.config.name.clone()).collect()
    }

    /// Streams that compete with `config` for `max_streams`: all, or those of its tier where
    /// limits are per tier; not itself, so that creating it again is no second stream.
    pub(crate) fn competitors(&self, tier: &str, config: &StreamConfig) -> u64 {
        mark::hit!(F1429);
        let others = self.streams.values().filter(|other| {
            (tier.is_empty() || is_same_tier(&other.config, config))
                && other.config.name != config.name
        });
        others.count() as u64
    }

    /// Sum of `max_bytes` of a tier's streams but one; replicas count where the tier is flat.
    pub(crate) fn reserved_by_others(&self, tier: &str, name: &str) -> (u64, u64) {
        let (mut memory, mut storage) = (0u64, 0u64);
        for Listed { config, .. } in self.streams.values() {
            let other_tier = !tier.is_empty() && tier_name(config.num_replicas) != tier;
            if other_tier || config.name == name {
                continue;
            }
            let copies = if tier.is_empty() { config.num_replicas.max(1) } else { 1 };
            let bytes = config.max_bytes.max(0).saturating_mul(copies);
            let sum = match config.storage {
                Storage::Memory => &mut memory,
                Storage::File => &mut storage,
            };
            *sum = sum.saturating_add(u64::try_from(bytes).unwrap_or(0));
        }
        (memory, storage)
    }

    /// Sum of `max_bytes`, as memory and storage, of all streams or of those whose configured
    /// replicas make `tier`.
    pub(crate) fn reserved(&self, tier: &str) -> (u64, u64) {
        let (mut memory, mut storage) = (0u64, 0u64);
        for Listed { config, .. } in self.streams.values() {
            let Ok(bytes) = u64::try_from(config.max_bytes) else { continue };
            if !tier.is_empty() && tier_name(config.num_replicas) != tier {
                continue;
            }
            let sum = match config.storage {
                Storage::Memory => &mut memory,
                Storage::File => &mut storage,
            };
            *sum = sum.saturating_add(bytes);
        }
        (memory, storage)
    }
}
