//! The bytes of damaged blocks that are kept aside are sealed with the stream's key, and follow it.

use std::io;
use std::path::PathBuf;

use super::block_disk::write_key;
use super::rekey::{NEXT, next};
use super::{Asset, Secret};
use crate::file_store::FileStore;
use crate::file_store::repair::ASIDE;

impl FileStore {
    /// Lays what is kept aside once more beside it, sealed with the key that the stream is to have.
    pub(super) fn reseal_aside(&self, secret: &Secret) -> io::Result<()> {
        for path in self.names_aside(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))? {
            // What its key does not open stays as it is.
            if let Some(plain) = self.asset.open(self.raw_disk.read(&path)?) {
                write_key(&*self.raw_disk, &next(&path), &secret.seal(&plain)?)?;
            }
        }
        Ok(())
    }

    /// Puts in place what is sealed with the key that the stream has now, and drops what is not, or
    /// was not finished.
    pub(super) fn finish_aside(&self) -> io::Result<()> {
        let mut changed = false;
        for unfinished in self.names_aside(|rest| rest.ends_with(".tmp"))? {
            self.raw_disk.unlink(&unfinished)?;
        }
        for next in self.names_aside(|rest| rest.ends_with(NEXT))? {
            let Asset(secret) = &self.asset;
            let stored = self.raw_disk.read(&next)?;
            match secret.as_ref().and_then(|secret| secret.open(&stored)) {
                // What is replaced is the same under another key.
                Some(_) => self.raw_disk.rename(&next, &next.with_extension(""))?,
                None => self.raw_disk.unlink(&next)?,
            }
            changed = true;
        }
        if changed { self.raw_disk.sync_dir(&self.msgs_dir) } else { Ok(()) }
    }

    /// Files with damaged bytes, by what follows in their names.
    fn names_aside(&self, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
        let entries = self.raw_disk.list(&self.msgs_dir)?;
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        let aside =
            names.filter(|name| name.split_once(ASIDE).is_some_and(|(_, rest)| wanted(rest)));
        Ok(aside.map(|name| self.msgs_dir.join(name)).collect())
    }
}
