//! Looking at `meta.inf` and `meta.sum` without finishing what was cut short.

use std::io;
use std::path::Path;

use env::Disk;
use serde_json::{Map, Value};
use types::{ConsumerConfig, StreamConfig, Timestamp};

use super::super::files::read_if_there;
use super::super::meta::{self, FromMeta};
use super::super::refusal::check_level;

/// A stored configuration.
pub(crate) enum Stored<T> {
    /// As it was written.
    Sound(Timestamp, T),
    /// A change of it stopped between its two files; the next start finishes it.
    CutShort(Timestamp, T),
    /// It can be read, but its checksum is another one's.
    BadSum(Timestamp, T),
    /// It is under a key that was not given.
    Encrypted,
    /// Why it cannot be read.
    Unreadable(String),
}

/// A stream's configuration.
pub(crate) fn stream(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<Stored<StreamConfig>> {
    look(disk, dir, name, |object| {
        let config = StreamConfig::deserialize_meta(object)?;
        if config.name != name {
            return Err(format!("{} is of stream {:?}", meta::META, config.name));
        }
        check_level(&config.metadata)?;
        Ok(config)
    })
}

/// A consumer's configuration.
pub(crate) fn consumer(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    name: &str,
) -> io::Result<Stored<ConsumerConfig>> {
    look(disk, dir, &format!("{stream}/{name}"), |object| {
        let config = ConsumerConfig::deserialize_meta(object)?;
        check_level(&config.metadata)?;
        Ok(config)
    })
}

fn look<T>(
    disk: &dyn Disk,
    dir: &Path,
    hashed: &str,
    decode: impl FnOnce(Map<String, Value>) -> Result<T, String>,
) -> io::Result<Stored<T>> {
    if disk.info(&dir.join(meta::KEY))?.is_some() {
        return Ok(Stored::Encrypted);
    }
    let read = |name: &str| read_if_there(disk, &dir.join(name));
    let Some(stored) = read(meta::META)? else {
        return Ok(Stored::Unreadable(format!("{} is missing", meta::META)));
    };
    let sum = read(meta::SUM)?;
    let pending = read(meta::PENDING)?;
    let decoded =
        meta::parse_object(&stored).and_then(|(created, object)| Ok((created, decode(object)?)));
    Ok(match decoded {
        Err(reason) => Stored::Unreadable(reason),
        Ok((created, config)) => {
            if sum.as_deref() == Some(meta::checksum(hashed, &stored).as_bytes()) {
                Stored::Sound(created, config)
            } else if pending.as_ref() == Some(&stored) {
                Stored::CutShort(created, config)
            } else {
                Stored::BadSum(created, config)
            }
        }
    })
}
