//! The configurations in an unpacked archive.

use std::path::Path;

use env::{Disk, EntryKind};
use serde::Deserialize;
use types::{ConsumerConfig, StreamConfig, Timestamp};

use super::crypt::Asset;
use super::files::read_if_there;
use super::{OBS, meta, packed};
use crate::api::{ConsumerMeta, StoreError};
use crate::error::io_error;
use crate::snapshot::RestoreError;

pub(crate) use packed::is_packed;

/// What of a stream's stored configuration counts: the request brings the rest anew.
#[derive(Deserialize)]
struct StreamIdentity {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "Created")]
    created: Option<Timestamp>,
}

/// The name and creation time in `meta.inf`; `None` without that file.
pub(crate) fn read_stream(
    disk: &dyn Disk,
    dir: &Path,
) -> Result<Option<(String, Timestamp)>, RestoreError> {
    let Some(json) = read(disk, &dir.join(meta::META))? else { return Ok(None) };
    let identity: StreamIdentity = serde_json::from_slice(&json)
        .map_err(|error| RestoreError::BadMeta(format!("{}: {error}", meta::META)))?;
    Ok(Some((identity.name, identity.created.unwrap_or(Timestamp::ZERO))))
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, RestoreError> {
    read_if_there(disk, path)
        .map_err(|error| io_error("reading a restored configuration", error).into())
}

/// The consumers, each with its configuration as it was stored.
pub(crate) fn read_consumers(
    disk: &dyn Disk,
    dir: &Path,
    most: usize,
) -> Result<Vec<ConsumerMeta>, RestoreError> {
    let obs = dir.join(OBS);
    let error = |error| RestoreError::Store(io_error("listing restored consumers", error));
    if disk.info(&obs).map_err(error)?.is_none() {
        return Ok(Vec::new());
    }
    let mut consumers = Vec::new();
    for entry in disk.list(&obs).map_err(error)? {
        let (Some(name), EntryKind::Dir) = (entry.name.to_str(), entry.kind) else {
            return Err(RestoreError::Unexpected);
        };
        if consumers.len() == most {
            return Err(RestoreError::TooLarge("too many consumers".to_owned()));
        }
        consumers.push(read_consumer(disk, &obs.join(name), name)?);
    }
    Ok(consumers)
}

fn read_consumer(disk: &dyn Disk, dir: &Path, name: &str) -> Result<ConsumerMeta, RestoreError> {
    let bad = |reason: String| RestoreError::Consumer { name: name.to_owned(), reason };
    let absent = |file: &str| bad(format!("open {file}: no such file or directory"));
    let json = read(disk, &dir.join(meta::META))?.ok_or_else(|| absent(meta::META))?;
    read(disk, &dir.join(meta::SUM))?.ok_or_else(|| absent(meta::SUM))?;
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&json).map_err(|error| bad(error.to_string()))?;
    let created = object
        .remove("Created")
        .and_then(|value| value.as_str().and_then(|text| text.parse().ok()))
        .unwrap_or(Timestamp::ZERO);
    object.remove("Name");
    let config: ConsumerConfig = serde_json::from_value(serde_json::Value::Object(object))
        .map_err(|error| bad(error.to_string()))?;
    Ok(ConsumerMeta { name: name.to_owned(), created, config })
}

/// Writes the configurations that the stream is to have; it is encrypted when it is opened. Names
/// in the consumers' directories are still to be synced.
pub(crate) fn write_meta(
    disk: &dyn Disk,
    dir: &Path,
    created: Timestamp,
    config: &StreamConfig,
    consumers: &[ConsumerMeta],
) -> Result<(), StoreError> {
    meta::write_stream(disk, dir, created, config, &Asset::default())?;
    for consumer in consumers {
        let dir = dir.join(OBS).join(&consumer.name);
        meta::lay_down_consumer(disk, &dir, &config.name, consumer, &Asset::default())?;
    }
    Ok(())
}
