//! `meta.inf` and `meta.sum`: configurations on disk.

use std::io;
use std::path::Path;

use env::{Disk, OpenMode};
use serde::Serialize;
use types::{ConsumerConfig, StreamConfig, Timestamp};

use super::crypt::{
    Asset, Keyed, Origin, Vault, finish_rekey, keep_copy, read_asset, refresh_copy,
};
use super::files::read_if_there;
use super::record::Hasher;
use super::refusal::{self, Refusal};
use super::{INDEX, MSGS, consumer_file, meta_copy};
use crate::api::{ConsumerMeta, StoreError};
use crate::canary::{self, Canary};
use crate::error::io_error;

pub(super) const META: &str = "meta.inf";
pub(super) const SUM: &str = "meta.sum";
pub(super) const KEY: &str = "meta.key";
/// The configuration that is being stored; the reference ignores the file.
pub(super) const PENDING: &str = "meta.pending";

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
    // Its name is durable with the next file's.
    meta_copy::keep(disk, dir, name, meta, Sync::File);
    replace_file(disk, &dir.join(SUM), checksum(name, meta).as_bytes(), Sync::Now)?;
    disk.unlink(&pending).map_err(|error| io_error("storing a configuration", error))?;
    Ok(())
}

/// Finishes a change that was cut short between its two files.
fn finish_write(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<()> {
    let path = dir.join(PENDING);
    let Some(pending) = read_if_there(disk, &path)? else { return Ok(()) };
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
    let (json, name) = encode_consumer(stream, meta, &Asset::default())?;
    let sum = checksum(&name, &json);
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

/// Makes the key of a stream's or consumer's new directory; none in a plain store. Its name is
/// durable with the next sync of the directory.
pub(super) fn create_key(
    disk: &dyn Disk,
    dir: &Path,
    vault: Option<&Vault>,
    context: &str,
) -> Result<Asset, StoreError> {
    let Some(vault) = vault else { return Ok(Asset::default()) };
    let (secret, file) =
        vault.generate(context).map_err(|error| io_error("making a key", error))?;
    replace_file(disk, &dir.join(KEY), &file, Sync::File)?;
    keep_copy(disk, &dir.join(KEY), &file);
    Ok(Asset(Some(secret)))
}

/// A consumer's configuration as it is stored, and what its checksum is keyed with.
fn encode_consumer(
    stream: &str,
    meta: &ConsumerMeta,
    asset: &Asset,
) -> Result<(Vec<u8>, String), StoreError> {
    let json = ConsumerMetaJson { created: meta.created, name: &meta.name, config: &meta.config };
    Ok((encode(&json, asset)?, format!("{stream}/{}", meta.name)))
}

/// Stores a changed configuration of a consumer in its directory.
pub(super) fn write_consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    meta: &ConsumerMeta,
    asset: &Asset,
) -> Result<(), StoreError> {
    let (stored, name) = encode_consumer(stream, meta, asset)?;
    write(disk, dir, &name, &stored)
}

/// Stores a consumer's configuration in a directory that is put in place afterwards, when its names
/// are durable as well.
pub(super) fn lay_down_consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    meta: &ConsumerMeta,
    asset: &Asset,
) -> Result<(), StoreError> {
    let (stored, name) = encode_consumer(stream, meta, asset)?;
    replace_file(disk, &dir.join(META), &stored, Sync::File)?;
    replace_file(disk, &dir.join(SUM), checksum(&name, &stored).as_bytes(), Sync::File)?;
    meta_copy::write(disk, dir, &name, &stored, Sync::File)
}

/// A stored configuration as it was read, or why it cannot be served.
#[derive(Debug)]
pub(super) enum Read<T> {
    /// Creation time and configuration, and the key that it was under.
    Good(Timestamp, T, Asset, Origin),
    /// Files stay.
    Refused(Refusal<T>),
}

/// What is asked of `meta.sum`: the reference never compares a consumer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Sum,
    Presence,
}

/// Whether a change that was cut short is finished, and a copy made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hands {
    On,
    /// Nothing on disk changes.
    Off,
}

pub(super) type Object = serde_json::Map<String, serde_json::Value>;

/// Reads the JSON object of a meta file, checks its sum, takes `Created` (and `Name`) off.
fn read_object(
    disk: &dyn Disk,
    vault: Option<&Vault>,
    keyed: Keyed<'_>,
    check: Check,
    hands: Hands,
) -> Result<(Timestamp, Object, Asset, Origin), Refusal<()>> {
    let Keyed { dir, name, context, .. } = keyed;
    let words = Words::of(check);
    let undone = |text: String| {
        let log = format!("{}{} {name:?}: {text}", words.indent, words.undone);
        Refusal::new(text, log)
    };
    if hands == Hands::On {
        finish_rekey(disk, vault, keyed).map_err(undone)?;
    }
    let read = read_asset(disk, vault, dir, context);
    if read.is_ok() && hands == Hands::On {
        // Under a key that is not ours nothing is touched.
        finish_write(disk, dir, name)
            .map_err(|error| undone(format!("a change of {META} cannot be finished: {error}")))?;
    }
    let read_file = |file: &str, missing: &str, unreadable: &str| {
        let path = dir.join(file);
        disk.read(&path).map_err(|error| {
            let log = refusal::unread(missing, unreadable, &path, &error);
            Refusal::new(format!("{file} cannot be read: {error}"), words.indent.to_owned() + &log)
        })
    };
    let stored = read_file(META, words.missing_meta, words.unread_meta)?;
    let sum = read_file(SUM, words.missing_sum, words.unread_sum)?;
    let computed = checksum(name, &stored);
    if check == Check::Sum && computed.as_bytes() != sum {
        let log = format!(
            "  Stream metafile {:?}: checksums do not match {:?} vs {computed:?}",
            dir.join(META),
            String::from_utf8_lossy(&sum)
        );
        return Err(Refusal::new(format!("{META} does not match the checksum in {SUM}"), log));
    }
    let read = read.map_err(|reason| {
        let reason = format!("Error decrypting our {} metafile: {reason}", words.kind);
        let log = match disk.info(&dir.join(KEY)) {
            Ok(Some(info)) if check == Check::Sum && info.len < SHORTEST_KEY => {
                format!("  Bad stream encryption key length of {}", info.len)
            }
            _ => format!("  {reason}"),
        };
        Refusal::new(reason, log)
    })?;
    let (created, object) = parse_object(&read.plain).map_err(|reason| {
        let log = words.unreadable(dir, &reason);
        Refusal::new(reason, log)
    })?;
    if computed.as_bytes() == sum && hands == Hands::On {
        meta_copy::refresh(disk, dir, name, &stored);
        if read.origin == Origin::Current {
            // Only a help.
            let _ = refresh_copy(disk, &dir.join(KEY));
        }
    }
    Ok((created, object, Asset(read.secret), read.origin))
}

/// Shortest key file of the shorter cipher, bytes (`server/filestore.go` `minMetaKeySize`).
const SHORTEST_KEY: u64 = 64;

/// The reference's words for what is wrong with a stream's or a consumer's files.
struct Words {
    kind: &'static str,
    indent: &'static str,
    undone: &'static str,
    missing_meta: &'static str,
    unread_meta: &'static str,
    missing_sum: &'static str,
    unread_sum: &'static str,
}

impl Words {
    fn of(check: Check) -> &'static Self {
        match check {
            Check::Sum => &Words {
                kind: "stream",
                indent: "  ",
                undone: "Error recreating stream",
                missing_meta: "Missing stream metafile for",
                unread_meta: "Error reading metafile",
                missing_sum: "Missing stream checksum file",
                unread_sum: "Error reading Stream metafile checksum",
            },
            Check::Presence => &Words {
                kind: "consumer",
                indent: "    ",
                undone: "Error adding consumer",
                missing_meta: "Missing consumer metafile",
                unread_meta: "Error reading consumer metafile",
                missing_sum: "Missing consumer checksum for",
                unread_sum: "Error reading consumer checksum",
            },
        }
    }

    fn unreadable(&self, dir: &Path, text: &str) -> String {
        let path = dir.join(META);
        format!("{}Error unmarshalling {} metafile {path:?}: {text}", self.indent, self.kind)
    }
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
        let read = read_object(disk, vault, keyed, Check::Sum, Hands::On);
        let (created, object, asset, origin) = read.map_err(Refusal::of)?;
        let unreadable = |text: &str| Words::of(Check::Sum).unreadable(dir, text);
        let config: StreamConfig =
            refusal::decode(created, object, |config: &StreamConfig| &config.metadata, unreadable)?;
        if config.name != name {
            let reason = format!("{META} is of stream {:?}", config.name);
            let log = unreadable(&reason);
            return Err(Refusal::new(reason, log));
        }
        Ok((created, config, asset, origin))
    };
    match read() {
        Ok((created, config, asset, origin)) => Read::Good(created, config, asset, origin),
        Err(refusal) => Read::Refused(refusal),
    }
}

/// Reads a consumer's configuration; the directory's name is the consumer's.
pub(super) fn read_consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    name: &str,
    vault: Option<&Vault>,
    hands: Hands,
) -> Read<ConsumerMeta> {
    let sealed = dir.join(consumer_file::STATE);
    let context = format!("{stream}.{name}");
    let meta_of = |created, config| ConsumerMeta { name: name.to_owned(), created, config };
    let read = || {
        let hashed = format!("{stream}/{name}");
        let keyed = Keyed { dir, name: &hashed, context: &context, sealed: &sealed };
        let read = read_object(disk, vault, keyed, Check::Presence, hands);
        let (created, object, asset, origin) = read.map_err(Refusal::of)?;
        let unreadable = |text: &str| Words::of(Check::Presence).unreadable(dir, text);
        let config: ConsumerConfig = refusal::decode(
            created,
            object,
            |config: &ConsumerConfig| &config.metadata,
            unreadable,
        )?;
        Ok((created, config, asset, origin))
    };
    match read() {
        Ok((created, config, asset, origin)) => {
            Read::Good(created, meta_of(created, config), asset, origin)
        }
        Err(Refusal { reason, log, known }) => {
            let known = known.map(|known| Box::new((known.0, meta_of(known.0, known.1))));
            Read::Refused(Refusal { reason, log, known })
        }
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
