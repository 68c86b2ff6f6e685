//! `meta.inf` and `meta.sum`: configurations on disk.

use std::io;
use std::path::Path;

use env::{Disk, OpenMode};
use serde::Serialize;
use types::{ConsumerConfig, StreamConfig, Timestamp};

use super::crypt::{Asset, Keyed, Origin, Vault, finish_rekey, read_asset};
use super::record::Hasher;
use super::{INDEX, MSGS, consumer_file, meta_copy};
use crate::api::{ConsumerMeta, StoreError};
use crate::canary::{self, Canary};
use crate::error::io_error;

pub(super) const META: &str = "meta.inf";
pub(super) const SUM: &str = "meta.sum";
pub(super) const KEY: &str = "meta.key";
/// The configuration that is being stored; the reference ignores the file.
pub(super) const PENDING: &str = "meta.pending";
/// Highest `_nats.req.level` that nats-server 2.14 serves (`server/jetstream_versioning.go`).
const HIGHEST_LEVEL: u32 = 4;
const LEVEL_KEY: &str = "_nats.req.level";

/// Whether a rename is followed by the syncs that make it durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// File and directory.
    Now,
    /// The file; its new name comes with the next sync of the directory.
    File,
    /// Neither.
    Later,
}

/// Writes a small file so that it is either the old or the new one after a crash.
pub(super) fn replace_file(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
    sync: Sync,
) -> Result<(), StoreError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let error = |error| io_error(&format!("writing {name}"), error);
    let temp = path.with_file_name(format!("{name}.tmp"));
    let file = disk.open(&temp, OpenMode::Truncate).map_err(error)?;
    let written = file.write_all_at(bytes, 0).and_then(|()| match sync {
        Sync::Now | Sync::File if !canary::sings(Canary::RenameBeforeSync) => file.sync_data(),
        Sync::Now | Sync::File | Sync::Later => Ok(()),
    });
    drop(file);
    if let Err(failed) = written {
        // Best effort: a left-over is ignored at recovery, but takes space.
        let _ = disk.unlink(&temp);
        return Err(error(failed));
    }
    disk.rename(&temp, path).map_err(error)?;
    match (sync, path.parent()) {
        (Sync::Now, Some(dir)) => disk.sync_dir(dir).map_err(error),
        _ => Ok(()),
    }
}

/// What `meta.sum` says of a stored configuration.
pub(crate) fn checksum(name: &str, meta: &[u8]) -> String {
    Hasher::new(name).sum(&[meta]).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two files cannot change at once: the third one says which change was under way.
fn write(disk: &dyn Disk, dir: &Path, name: &str, meta: &[u8]) -> Result<(), StoreError> {
    let pending = dir.join(PENDING);
    replace_file(disk, &pending, meta, Sync::Now)?;
    replace_file(disk, &dir.join(META), meta, Sync::Now)?;
    replace_file(disk, &dir.join(SUM), checksum(name, meta).as_bytes(), Sync::Now)?;
    disk.unlink(&pending).map_err(|error| io_error("storing a configuration", error))?;
    meta_copy::keep(disk, dir, name, meta);
    Ok(())
}

/// Finishes a change that was cut short between its two files.
fn finish_write(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<()> {
    let path = dir.join(PENDING);
    let pending = match disk.read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if disk.info(&dir.join(META))?.is_some() && disk.read(&dir.join(META))? == pending {
        let sum = checksum(name, &pending);
        replace_file(disk, &dir.join(SUM), sum.as_bytes(), Sync::Now).map_err(io::Error::other)?;
    }
    disk.unlink(&path)
}

#[derive(Serialize)]
struct StreamMetaJson<'c> {
    #[serde(rename = "Created")]
    created: Timestamp,
    #[serde(flatten)]
    config: &'c StreamConfig,
}

#[derive(Serialize)]
struct ConsumerMetaJson<'c> {
    #[serde(rename = "Created")]
    created: Timestamp,
    #[serde(rename = "Name")]
    name: &'c str,
    #[serde(flatten)]
    config: &'c ConsumerConfig,
}

/// A stream's `meta.inf` and `meta.sum`, plain.
pub(super) fn stream_bytes(
    created: Timestamp,
    config: &StreamConfig,
) -> Result<(Vec<u8>, String), StoreError> {
    let json = encode(&StreamMetaJson { created, config }, &Asset::default())?;
    let sum = checksum(&config.name, &json);
    Ok((json, sum))
}

/// A consumer's `meta.inf` and `meta.sum`, plain.
pub(super) fn consumer_bytes(
    stream: &str,
    meta: &ConsumerMeta,
) -> Result<(Vec<u8>, String), StoreError> {
    let json = ConsumerMetaJson { created: meta.created, name: &meta.name, config: &meta.config };
    let json = encode(&json, &Asset::default())?;
    let sum = checksum(&format!("{stream}/{}", meta.name), &json);
    Ok((json, sum))
}

fn encode(meta: &impl Serialize, asset: &Asset) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(meta)
        .map_err(|error| StoreError::Damaged(format!("encoding: {error}")))?;
    asset.seal(&json).map_err(|error| io_error("encrypting a configuration", error))
}

/// Stores a stream's configuration in its directory.
pub(super) fn write_stream(
    disk: &dyn Disk,
    dir: &Path,
    created: Timestamp,
    config: &StreamConfig,
    asset: &Asset,
) -> Result<(), StoreError> {
    write(disk, dir, &config.name, &encode(&StreamMetaJson { created, config }, asset)?)
}

/// Makes the key of a stream's or consumer's new directory, durably; none in a plain store.
pub(super) fn create_key(
    disk: &dyn Disk,
    dir: &Path,
    vault: Option<&Vault>,
    context: &str,
) -> Result<Asset, StoreError> {
    let Some(vault) = vault else { return Ok(Asset::default()) };
    let (secret, file) =
        vault.generate(context).map_err(|error| io_error("making a key", error))?;
    replace_file(disk, &dir.join(KEY), &file, Sync::Now)?;
    Ok(Asset(Some(secret)))
}

/// Stores a consumer's configuration in its directory.
pub(super) fn write_consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    meta: &ConsumerMeta,
    asset: &Asset,
) -> Result<(), StoreError> {
    let json = ConsumerMetaJson { created: meta.created, name: &meta.name, config: &meta.config };
    write(disk, dir, &format!("{stream}/{}", meta.name), &encode(&json, asset)?)
}

/// A stored configuration as it was read, or why it cannot be served.
#[derive(Debug)]
pub(super) enum Read<T> {
    /// Creation time and configuration, and the key that it was under.
    Good(Timestamp, T, Asset, Origin),
    /// Files stay; the reason is for people.
    Refused(String),
}

/// What is asked of `meta.sum`: the reference never compares a consumer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Sum,
    Presence,
}

pub(super) type Object = serde_json::Map<String, serde_json::Value>;

/// Reads the JSON object of a meta file, checks its sum, takes `Created` (and `Name`) off.
fn read_object(
    disk: &dyn Disk,
    vault: Option<&Vault>,
    keyed: Keyed<'_>,
    check: Check,
) -> Result<(Timestamp, Object, Asset, Origin), String> {
    let Keyed { dir, name, context, .. } = keyed;
    let what = if check == Check::Sum { "stream" } else { "consumer" };
    finish_rekey(disk, vault, keyed)?;
    let read = read_asset(disk, vault, dir, context);
    if read.is_ok() {
        // Under a key that is not ours nothing is touched.
        finish_write(disk, dir, name)
            .map_err(|error| format!("a change of {META} cannot be finished: {error}"))?;
    }
    let stored =
        disk.read(&dir.join(META)).map_err(|error| format!("{META} cannot be read: {error}"))?;
    let sum =
        disk.read(&dir.join(SUM)).map_err(|error| format!("{SUM} cannot be read: {error}"))?;
    if check == Check::Sum && checksum(name, &stored).as_bytes() != sum {
        return Err(format!("{META} does not match the checksum in {SUM}"));
    }
    let read = read.map_err(|reason| format!("Error decrypting our {what} metafile: {reason}"))?;
    let (created, object) = parse_object(&read.plain)?;
    if checksum(name, &stored).as_bytes() == sum {
        meta_copy::refresh(disk, dir, name);
    }
    Ok((created, object, Asset(read.secret), read.origin))
}

/// Takes `Created` (and `Name`) off the JSON object of a meta file.
pub(super) fn parse_object(meta: &[u8]) -> Result<(Timestamp, Object), String> {
    // Text after the object is ignored, as the reference does.
    let object = serde_json::Deserializer::from_slice(meta)
        .into_iter::<Object>()
        .next()
        .unwrap_or_else(|| Ok(Object::new()));
    let mut object = object.map_err(|error| format!("{META} is not JSON: {error}"))?;
    let created = object
        .remove("Created")
        .and_then(|value| value.as_str().and_then(|text| text.parse().ok()))
        .unwrap_or(Timestamp::ZERO);
    object.remove("Name");
    Ok((created, object))
}

pub(super) fn check_level(
    metadata: &std::collections::BTreeMap<String, String>,
) -> Result<(), String> {
    let Some(level) = metadata.get(LEVEL_KEY) else { return Ok(()) };
    match level.parse::<u32>() {
        Ok(level) if level <= HIGHEST_LEVEL => Ok(()),
        _ => Err(format!("it requires API level {level}")),
    }
}

/// Reads a stream's configuration.
pub(super) fn read_stream(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    vault: Option<&Vault>,
) -> Read<StreamConfig> {
    let sealed = dir.join(MSGS).join(INDEX);
    let read = || {
        let keyed = Keyed { dir, name, context: name, sealed: &sealed };
        let (created, object, asset, origin) = read_object(disk, vault, keyed, Check::Sum)?;
        let config = StreamConfig::deserialize_meta(object)?;
        if config.name != name {
            return Err(format!("{META} is of stream {:?}", config.name));
        }
        check_level(&config.metadata)?;
        Ok((created, config, asset, origin))
    };
    match read() {
        Ok((created, config, asset, origin)) => Read::Good(created, config, asset, origin),
        Err(reason) => Read::Refused(reason),
    }
}

/// Reads a consumer's configuration; the directory's name is the consumer's.
pub(super) fn read_consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    name: &str,
    vault: Option<&Vault>,
) -> Read<ConsumerMeta> {
    let sealed = dir.join(consumer_file::STATE);
    let context = format!("{stream}.{name}");
    let read = || {
        let hashed = format!("{stream}/{name}");
        let keyed = Keyed { dir, name: &hashed, context: &context, sealed: &sealed };
        let (created, object, asset, origin) = read_object(disk, vault, keyed, Check::Presence)?;
        let config = ConsumerConfig::deserialize_meta(object)?;
        check_level(&config.metadata)?;
        Ok((created, config, asset, origin))
    };
    match read() {
        Ok((created, config, asset, origin)) => {
            let meta = ConsumerMeta { name: name.to_owned(), created, config };
            Read::Good(created, meta, asset, origin)
        }
        Err(reason) => Read::Refused(reason),
    }
}

/// Strict decoding: an unknown key anywhere refuses.
pub(super) trait FromMeta: Sized {
    fn deserialize_meta(object: Object) -> Result<Self, String>;
}

impl<T: serde::de::DeserializeOwned> FromMeta for T {
    fn deserialize_meta(object: Object) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::Object(object))
            .map_err(|error| format!("{META}: {error}"))
    }
}
