//! The `jetstream {}` block of the server.

use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigIssue;
use super::load::{path, set_store_dir};
use super::reader::{
    Findings, Key, duration, duration_text, each_key, flag, integer, issue, optional_text,
    positive, storage_size, text,
};
use crate::conf::{Node, Value};
use crate::quote::quoted;

/// JetStream as configured for the whole server.
///
/// Wire source: `parseJetStream` in `server/opts.go`; defaults in `setBaselineOptions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JetStreamOptions {
    /// JetStream is on.
    pub enabled: bool,
    /// Refuse API requests with unknown fields.
    pub strict: bool,
    /// `max_memory_store` as written, bytes: `None` when absent, negative asks for the dynamic
    /// limit. 0 is a limit of 0.
    pub max_memory: Option<i64>,
    /// `max_file_store` as written; same meaning.
    pub max_store: Option<i64>,
    /// When files are synced.
    pub sync: SyncPolicy,
    /// Domain of this server.
    pub domain: Option<String>,
    /// Encryption at rest.
    pub key: Option<StoreKey>,
    /// The key used before; only meaningful together with `key`.
    pub prev_key: Option<StoreKey>,
    /// Cipher for new data.
    pub cipher: Cipher,
    /// `extension_hint` as written.
    pub extension_hint: String,
    /// Placement tag that must differ between replicas, lower case.
    pub unique_tag: Option<String>,
    /// Most bytes sent to catch up a replica at a time; `None` is the default. May be negative.
    pub max_outstanding_catchup: Option<i64>,
    /// Most bytes waiting to be stored in one stream; 0 is the default (128 MiB).
    pub max_buffered_size: i64,
    /// Most messages waiting to be stored in one stream; 0 is the default (100,000).
    pub max_buffered_msgs: i64,
    /// API requests waiting before further ones are dropped.
    pub request_queue_limit: u64,
    /// Info requests waiting before further ones are dropped.
    pub info_queue_limit: u64,
    /// Entries of the meta log before it is compacted; 0 with `meta_compact_size` 0: every tick.
    pub meta_compact: u64,
    /// Bytes of the meta log before it is compacted.
    pub meta_compact_size: u64,
    /// Compact the meta log while holding it.
    pub meta_compact_sync: bool,
    /// Server-wide limits for streams and consumers.
    pub limits: JetStreamLimits,
    /// Trusted platform module that holds the encryption key.
    pub tpm: Option<TpmOptions>,
}

/// When written data is forced to disk beyond the acknowledgement's own sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncPolicy {
    /// Time between background syncs.
    pub interval: Duration,
    /// `sync_interval: always`.
    pub always: bool,
    /// The configuration names an interval: acknowledge before the sync, as the reference does.
    /// Without it what is acknowledged is synced.
    pub relaxed: bool,
}

/// A passphrase for encryption at rest; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreKey(pub String);

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// Cipher of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// ChaCha20-Poly1305.
    #[default]
    ChaCha,
    /// AES-GCM.
    Aes,
}

/// `jetstream { limits {} }`: 0 is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JetStreamLimits {
    /// Highest `max_ack_pending` of a consumer.
    pub max_ack_pending: i64,
    /// Most replicated streams and consumers on this server.
    pub max_ha_assets: i64,
    /// Largest pull request batch.
    pub max_request_batch: i64,
    /// Longest duplicate window of a stream.
    pub duplicate_window: Duration,
    /// Atomic batch publishing.
    pub batch: BatchLimits,
}

/// `jetstream { limits { batch {} } }`: 0 is the default of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchLimits {
    /// Open batches of one stream (50).
    pub max_inflight_per_stream: i64,
    /// Open batches of the server (1000).
    pub max_inflight_total: i64,
    /// Messages of one batch (1000).
    pub max_msgs: i64,
    /// Longest time until a batch must be committed (10 s).
    pub timeout: Duration,
}

/// `jetstream { tpm {} }`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TpmOptions {
    /// File with the sealed keys.
    pub keys_file: Option<PathBuf>,
    /// Password of the key.
    pub encryption_password: Option<String>,
    /// Password of the storage root key.
    pub srk_password: Option<String>,
    /// Platform configuration register; 0 is the default (22).
    pub pcr: i64,
}

impl std::fmt::Debug for TpmOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TpmOptions")
            .field("keys_file", &self.keys_file)
            .field("pcr", &self.pcr)
            .finish_non_exhaustive()
    }
}

impl Default for JetStreamOptions {
    fn default() -> Self {
        JetStreamOptions {
            enabled: false,
            strict: true,
            max_memory: None,
            max_store: None,
            sync: SyncPolicy::default(),
            domain: None,
            key: None,
            prev_key: None,
            cipher: Cipher::default(),
            extension_hint: String::new(),
            unique_tag: None,
            max_outstanding_catchup: None,
            max_buffered_size: 0,
            max_buffered_msgs: 0,
            request_queue_limit: DEFAULT_REQUEST_QUEUE,
            info_queue_limit: DEFAULT_REQUEST_QUEUE,
            meta_compact: 0,
            meta_compact_size: 0,
            meta_compact_sync: false,
            limits: JetStreamLimits::default(),
            tpm: None,
        }
    }
}

/// API requests that wait by default (`JSDefaultRequestQueueLimit`).
const DEFAULT_REQUEST_QUEUE: u64 = 10_000;

impl Default for SyncPolicy {
    fn default() -> Self {
        SyncPolicy { interval: Duration::from_secs(120), always: false, relaxed: false }
    }
}

/// Reads the `jetstream` value of the top level.
pub(super) fn parse_jetstream(
    node: &Node,
    options: &mut JetStreamOptions,
    store_dir: &mut Option<PathBuf>,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    let block = match &node.value {
        Value::Bool(on) => {
            options.enabled = *on;
            return Ok(());
        }
        Value::Str(word) => {
            options.enabled = enabled_word(node, word)?;
            return Ok(());
        }
        Value::Map(block) => block,
        other => {
            let found = other.type_name();
            return issue(
                node,
                format!("Expected map, bool or string to define JetStream, got {found}"),
            );
        }
    };
    options.enabled = true;
    let mut request_queue = 0;
    let mut info_queue = 0;
    each_key(block, findings, |key, raw, node, findings| {
        match key {
            "request_queue_limit" => request_queue = parseable(node, raw)?,
            "info_queue_limit" => info_queue = parseable(node, raw)?,
            "store" | "store_dir" | "storedir" => set_store_dir(node, store_dir)?,
            _ => return options.read_key(key, raw, node, findings),
        }
        Ok(Key::Known)
    });
    let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
    options.request_queue_limit = positive(request_queue).unwrap_or(DEFAULT_REQUEST_QUEUE);
    options.info_queue_limit = positive(info_queue).unwrap_or(options.request_queue_limit);
    Ok(())
}

/// `enabled`, `disabled` and their short forms.
pub(super) fn enabled_word(node: &Node, word: &str) -> Result<bool, ConfigIssue> {
    match word.to_lowercase().as_str() {
        "enabled" | "enable" => Ok(true),
        "disabled" | "disable" => Ok(false),
        _ => {
            issue(node, format!("Expected 'enabled' or 'disabled' for string value, got '{word}'"))
        }
    }
}

/// A number whose absence has a text of its own.
pub(super) fn parseable(node: &Node, key: &str) -> Result<i64, ConfigIssue> {
    match &node.value {
        Value::Int(number) => Ok(*number),
        other => issue(node, format!("Expected a parseable size for {}, got {other}", quoted(key))),
    }
}

fn size(node: &Node, name: &str) -> Result<i64, ConfigIssue> {
    storage_size(&node.value).or_else(|error| issue(node, format!("{name} {error}")))
}

fn absolute(node: &Node, key: &str, number: Option<i64>) -> Result<u64, ConfigIssue> {
    match number.map(u64::try_from) {
        Some(Ok(number)) => Ok(number),
        _ => {
            let value = &node.value;
            issue(node, format!("Expected an absolute size for {}, got {value}", quoted(key)))
        }
    }
}

impl JetStreamOptions {
    fn read_key(
        &mut self,
        key: &str,
        raw: &str,
        node: &Node,
        findings: &mut Findings,
    ) -> Result<Key, ConfigIssue> {
        match key {
            "enable" | "enabled" => self.enabled = flag(node)?,
            "strict" => match &node.value {
                Value::Bool(strict) => self.strict = *strict,
                other => {
                    return issue(
                        node,
                        format!("Expected 'true' or 'false' for bool value, got '{other}'"),
                    );
                }
            },
            "sync" | "sync_interval" => self.sync = sync_policy(node, raw, findings)?,
            "max_memory_store" | "max_mem_store" | "max_mem" => {
                self.max_memory = Some(size(node, "max_mem_store")?);
            }
            "max_file_store" | "max_file" => self.max_store = Some(size(node, "max_file_store")?),
            "domain" => self.domain = optional_text(node)?,
            "key" | "ek" | "encryption_key" => self.key = optional_text(node)?.map(StoreKey),
            "prev_key" | "prev_ek" | "prev_encryption_key" => {
                self.prev_key = optional_text(node)?.map(StoreKey);
            }
            "cipher" => self.cipher = cipher(node)?,
            "extension_hint" => self.extension_hint = text(node)?,
            "limits" => self.limits = parse_limits(node, findings)?,
            "tpm" => self.parse_tpm(node, findings)?,
            "unique_tag" => {
                let tag = text(node)?.trim().to_lowercase();
                self.unique_tag = Some(tag).filter(|tag| !tag.is_empty());
            }
            "max_outstanding_catchup" => {
                self.max_outstanding_catchup = Some(size(node, key)?).filter(|size| *size != 0);
            }
            "max_buffered_size" => self.max_buffered_size = size(node, key)?,
            "max_buffered_msgs" => self.max_buffered_msgs = parseable(node, raw)?,
            "meta_compact" => {
                let number = match node.value {
                    Value::Int(number) => Some(number),
                    _ => None,
                };
                self.meta_compact = absolute(node, raw, number)?;
            }
            "meta_compact_size" => {
                let number = size(node, key)?;
                self.meta_compact_size = absolute(node, raw, Some(number))?;
            }
            "meta_compact_sync" => self.meta_compact_sync = flag(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn parse_tpm(&mut self, node: &Node, findings: &mut Findings) -> Result<(), ConfigIssue> {
        let Value::Map(block) = &node.value else {
            let found = node.value.type_name();
            return issue(node, format!("Expected a map to define JetStreamLimits, got {found}"));
        };
        let mut tpm = TpmOptions::default();
        each_key(block, findings, |key, _, node, _| {
            match key {
                "keys_file" => tpm.keys_file = path(node)?,
                "encryption_password" => tpm.encryption_password = optional_text(node)?,
                "srk_password" => tpm.srk_password = optional_text(node)?,
                "pcr" => tpm.pcr = integer(node)?,
                "cipher" => self.cipher = cipher(node)?,
                _ => return Ok(Key::Unknown),
            }
            Ok(Key::Known)
        });
        self.tpm = Some(tpm);
        Ok(())
    }
}

fn sync_policy(node: &Node, key: &str, findings: &mut Findings) -> Result<SyncPolicy, ConfigIssue> {
    if let Value::Str(word) = &node.value
        && word.eq_ignore_ascii_case("always")
    {
        return Ok(SyncPolicy { always: true, ..SyncPolicy::default() });
    }
    let interval = duration(node, key, findings)?.unwrap_or_default();
    Ok(SyncPolicy { interval, always: false, relaxed: true })
}

fn cipher(node: &Node) -> Result<Cipher, ConfigIssue> {
    let name = text(node)?;
    match name.to_lowercase().as_str() {
        "chacha" | "chachapoly" => Ok(Cipher::ChaCha),
        "aes" => Ok(Cipher::Aes),
        _ => issue(node, format!("Unknown cipher type: {}", quoted(&name))),
    }
}

fn parse_limits(node: &Node, findings: &mut Findings) -> Result<JetStreamLimits, ConfigIssue> {
    let Value::Map(block) = &node.value else {
        let found = node.value.type_name();
        return issue(node, format!("Expected a map to define JetStreamLimits, got {found}"));
    };
    let mut limits = JetStreamLimits::default();
    each_key(block, findings, |key, _, node, findings| {
        match key {
            "max_ack_pending" => limits.max_ack_pending = integer(node)?,
            "max_ha_assets" => limits.max_ha_assets = integer(node)?,
            "max_request_batch" => limits.max_request_batch = integer(node)?,
            "duplicate_window" => limits.duplicate_window = plain_duration(node)?,
            "batch" => limits.batch = parse_batch(node, findings)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    Ok(limits)
}

fn parse_batch(node: &Node, findings: &mut Findings) -> Result<BatchLimits, ConfigIssue> {
    let Value::Map(block) = &node.value else {
        let found = node.value.type_name();
        return issue(node, format!("Expected a map to define batch limits, got {found}"));
    };
    let mut batch = BatchLimits::default();
    each_key(block, findings, |key, _, node, _| {
        match key {
            "max_inflight_per_stream" => batch.max_inflight_per_stream = integer(node)?,
            "max_inflight_total" => batch.max_inflight_total = integer(node)?,
            "max_msgs" => batch.max_msgs = integer(node)?,
            "timeout" => batch.timeout = plain_duration(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    Ok(batch)
}

fn plain_duration(node: &Node) -> Result<Duration, ConfigIssue> {
    let nanos = duration_text(node, "")?;
    Ok(positive(node, "duration", nanos)?.unwrap_or_default())
}
