//! Usage updates between servers: what others report, and the bytes that carry it.

use std::collections::BTreeMap;

use types::Storage;

use crate::account::AccountUsage;

/// Shortest update: usage and API numbers, without a tier (legacy).
const LEGACY_LEN: usize = 32;

/// An update that cannot be used, or not wholly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteUsageError {
    /// Nothing was applied.
    #[error("Ignoring remote usage update with size too short")]
    TooShort,
    /// Nothing was applied.
    #[error("Received remote usage update with no remote node")]
    NoNode,
    /// Nothing was applied.
    #[error("Received corrupt remote usage update")]
    Corrupt,
    /// The tiers before the broken record were applied, the API numbers were not.
    #[error("Received corrupt remote usage update on excess record")]
    CorruptExcess,
}

/// What one server last reported for the account.
#[derive(Debug, Default)]
pub(crate) struct NodeUsage {
    tiers: BTreeMap<String, (i64, i64)>,
    api_total: u64,
    api_errors: u64,
}

/// Bytes left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// A length of eight bytes and so many bytes of name.
    fn name(&mut self) -> Option<String> {
        let len = usize::try_from(self.u64()?).ok()?;
        Some(String::from_utf8_lossy(self.take(len)?).into_owned())
    }
}

/// The reporting server: what stands behind the subject's last dot.
fn node_of(subject: &str) -> Option<&str> {
    let (before, node) = subject.rsplit_once('.')?;
    (!before.is_empty() && !node.is_empty()).then_some(node)
}

impl AccountUsage {
    /// Takes over what another server reports of this account, in the message on
    /// `$JSC.ARU.<account>.<node>`. Its values are absolute and replace what the same server
    /// reported before; own usage and the server's counters do not move.
    ///
    /// Wire source: `remoteUpdateUsage` in `server/jetstream.go`.
    ///
    /// # Errors
    /// Which says also how much of it was applied. The texts are the reference's warnings.
    pub fn remote_update(&self, subject: &str, payload: &[u8]) -> Result<(), RemoteUsageError> {
        if payload.len() < LEGACY_LEN {
            return Err(RemoteUsageError::TooShort);
        }
        let node = node_of(subject).ok_or(RemoteUsageError::NoNode)?;
        mark::hit!(F1418);
        let mut nodes = self.nodes.lock();
        let known = nodes.entry(node.to_owned()).or_default();
        let mut reader = Reader(payload);
        let mut fixed = || Some((reader.i64()?, reader.i64()?, reader.u64()?, reader.u64()?));
        let (memory, storage, api_total, api_errors) = fixed().ok_or(RemoteUsageError::TooShort)?;
        let (mut excess, mut tier) = (0, String::new());
        // Between the legacy length and the first name's there is nothing to read.
        if payload.len() >= LEGACY_LEN + 12 {
            excess = reader.u32().ok_or(RemoteUsageError::Corrupt)?;
            tier = reader.name().ok_or(RemoteUsageError::Corrupt)?;
        }
        self.apply_remote(known, tier, (memory, storage));
        while excess > 0 && reader.0.len() >= 24 {
            excess -= 1;
            let mut record = || {
                let usage = (reader.i64()?, reader.i64()?);
                Some((reader.name()?, usage))
            };
            let (tier, usage) = record().ok_or(RemoteUsageError::CorruptExcess)?;
            self.apply_remote(known, tier, usage);
        }
        self.api().replace_remote((known.api_total, known.api_errors), (api_total, api_errors));
        (known.api_total, known.api_errors) = (api_total, api_errors);
        Ok(())
    }

    fn apply_remote(&self, known: &mut NodeUsage, name: String, usage: (i64, i64)) {
        let tier = self.tier(&name);
        tier.touch();
        let before = known.tiers.insert(name, usage).unwrap_or_default();
        for (kind, now, before) in
            [(Storage::Memory, usage.0, before.0), (Storage::File, usage.1, before.1)]
        {
            tier.remote.of(kind).add(now.saturating_sub(before));
        }
    }

    /// This server's own usage of the account, as other servers read it; `None` before there is
    /// any.
    pub(crate) fn encode_update(&self) -> Option<Vec<u8>> {
        let tiers: Vec<_> = self.touched_tiers();
        let (first, further) = tiers.split_first()?;
        let mut bytes = Vec::with_capacity(24 * tiers.len() + 20);
        let own = |bytes: &mut Vec<u8>, tier: &crate::tier::Tier| {
            for kind in [Storage::Memory, Storage::File] {
                bytes.extend_from_slice(&tier.own.of(kind).get().to_le_bytes());
            }
        };
        let name = |bytes: &mut Vec<u8>, tier: &crate::tier::Tier| {
            bytes.extend_from_slice(&(tier.name().len() as u64).to_le_bytes());
            bytes.extend_from_slice(tier.name().as_bytes());
        };
        own(&mut bytes, first);
        let (total, errors) = self.api().own();
        bytes.extend_from_slice(&total.to_le_bytes());
        bytes.extend_from_slice(&errors.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(further.len()).unwrap_or(u32::MAX).to_le_bytes());
        name(&mut bytes, first);
        for tier in further {
            own(&mut bytes, tier);
            name(&mut bytes, tier);
        }
        Some(bytes)
    }
}
