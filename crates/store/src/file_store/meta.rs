//! `meta.inf` and `meta.sum`: configurations on disk.

use std::io;
use std::path::Path;

use env::{Disk, OpenMode};
use serde::Serialize;
use types::{ConsumerConfig, StreamConfig, Timestamp};

use super::record::Hasher;
use crate::api::{ConsumerMeta, StoreError};
use crate::error::io_error;

pub(super) const META: &str = "meta.inf";
pub(super) const SUM: &str = "meta.sum";
pub(super) const KEY: &str = "meta.key";
/// The configuration that is being stored; the reference ignores the file.
const PENDING: &str = "meta.pending";
/// Highest `_nats.req.level` that nats-server 2.14 serves (`server/jetstream_versioning.go`).
const HIGHEST_LEVEL: u32 = 4;
const LEVEL_KEY: &str = "_nats.req.level";

/// Whether a rename is followed by the syncs that make it durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// File and directory.
    Now,
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
        Sync::Now => file.sync_data(),
        Sync::Later => Ok(()),
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

fn checksum(name: &str, meta: &[u8]) -> String {
    Hasher::new(name).sum(&[meta]).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two files cannot change at once: the third one says which change was under way.
fn write(disk: &dyn Disk, dir: &Path, name: &str, meta: &[u8]) -> Result<(), StoreError> {
    let pending = dir.join(PENDING);
    replace_file(disk, &pending, meta, Sync::Now)?;
    replace_file(disk, &dir.join(META), meta, Sync::Now)?;
    replace_file(disk, &dir.join(SUM), checksum(name, meta).as_bytes(), Sync::Now)?;
    disk.unlink(&pending).map_err(|error| io_error("storing a configuration", error))
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

fn encode(meta: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(meta).map_err(|error| StoreError::Damaged(format!("encoding: {error}")))
}

/// Stores a stream's configuration in its directory.
pub(super) fn write_stream(
    disk: &dyn Disk,
    dir: &Path,
    created: Timestamp,
    config: &StreamConfig,
) -> Result<(), StoreError> {
    write(disk, dir, &config.name, &encode(&StreamMetaJson { created, config })?)
}

/// Stores a consumer's configuration in its directory.
pub(super) fn write_consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    meta: &ConsumerMeta,
) -> Result<(), StoreError> {
    let json = ConsumerMetaJson { created: meta.created, name: &meta.name, config: &meta.config };
    write(disk, dir, &format!("{stream}/{}", meta.name), &encode(&json)?)
}

/// A stored configuration as it was read, or why it cannot be served.
#[derive(Debug)]
pub(super) enum Read<T> {
    /// Creation time and configuration.
    Good(Timestamp, T),
    /// Files stay; the reason is for people.
    Refused(String),
}

/// What is asked of `meta.sum`: the reference never compares a consumer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Sum,
    Presence,
}

/// Reads the JSON object of a meta file, checks its sum, takes `Created` (and `Name`) off.
fn read_object(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    check: Check,
) -> Result<(Timestamp, serde_json::Map<String, serde_json::Value>), String> {
    finish_write(disk, dir, name)
        .map_err(|error| format!("a change of {META} cannot be finished: {error}"))?;
    if matches!(disk.info(&dir.join(KEY)), Ok(Some(_))) {
        return Err("it is encrypted, which is not supported yet".to_owned());
    }
    let meta =
        disk.read(&dir.join(META)).map_err(|error| format!("{META} cannot be read: {error}"))?;
    let sum =
        disk.read(&dir.join(SUM)).map_err(|error| format!("{SUM} cannot be read: {error}"))?;
    if check == Check::Sum && checksum(name, &meta).as_bytes() != sum {
        return Err(format!("{META} does not match the checksum in {SUM}"));
    }
    // Text after the object is ignored, as the reference does.
    let object = serde_json::Deserializer::from_slice(&meta)
        .into_iter::<serde_json::Map<String, serde_json::Value>>()
        .next()
        .unwrap_or_else(|| Ok(serde_json::Map::new()));
    let mut object = object.map_err(|error| format!("{META} is not JSON: {error}"))?;
    let created = object
        .remove("Created")
        .and_then(|value| value.as_str().and_then(|text| text.parse().ok()))
        .unwrap_or(Timestamp::ZERO);
    object.remove("Name");
    Ok((created, object))
}

fn check_level(metadata: &std::collections::BTreeMap<String, String>) -> Result<(), String> {
    let Some(level) = metadata.get(LEVEL_KEY) else { return Ok(()) };
    match level.parse::<u32>() {
        Ok(level) if level <= HIGHEST_LEVEL => Ok(()),
        _ => Err(format!("it requires API level {level}")),
    }
}

/// Reads a stream's configuration.
pub(super) fn read_stream(disk: &dyn Disk, dir: &Path, name: &str) -> Read<StreamConfig> {
    let read = || {
        let (created, object) = read_object(disk, dir, name, Check::Sum)?;
        let config = StreamConfig::deserialize_meta(object)?;
        if config.name != name {
            return Err(format!("{META} is of stream {:?}", config.name));
        }
        check_level(&config.metadata)?;
        Ok((created, config))
    };
    match read() {
        Ok((created, config)) => Read::Good(created, config),
        Err(reason) => Read::Refused(reason),
    }
}

/// Reads a consumer's configuration; the directory's name is the consumer's.
pub(super) fn read_consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    name: &str,
) -> Read<ConsumerMeta> {
    let read = || {
        let (created, object) =
            read_object(disk, dir, &format!("{stream}/{name}"), Check::Presence)?;
        let config = ConsumerConfig::deserialize_meta(object)?;
        check_level(&config.metadata)?;
        Ok((created, config))
    };
    match read() {
        Ok((created, config)) => {
            Read::Good(created, ConsumerMeta { name: name.to_owned(), created, config })
        }
        Err(reason) => Read::Refused(reason),
    }
}

/// Strict decoding: an unknown key anywhere refuses.
trait FromMeta: Sized {
    fn deserialize_meta(object: serde_json::Map<String, serde_json::Value>)
    -> Result<Self, String>;
}

impl<T: serde::de::DeserializeOwned> FromMeta for T {
    fn deserialize_meta(
        object: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::Object(object))
            .map_err(|error| format!("{META}: {error}"))
    }
}
