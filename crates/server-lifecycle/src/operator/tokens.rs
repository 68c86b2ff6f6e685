//! Where the tokens of accounts are kept: in memory, or in a directory with a file each.
//!
//! Wire source: `MemAccResolver` in `server/accounts.go`, `DirJWTStore` in `server/dirstore.go`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use account::now_unix_s;
use config_validate::options::{
    Deletion, DirectoryResolver, OperatorOptions, ResolverOptions, is_account_key,
};
use jwt::GenericClaims;
use parking_lot::Mutex;

use crate::os;

/// Ending of the files.
const EXTENSION: &str = ".jwt";
/// Rights of the directory and of the files (`defaultDirPerms`, `defaultFilePerms`).
const DIR_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;

/// The tokens of accounts, by their keys.
pub(crate) enum Tokens {
    Memory(Mutex<InMemory>),
    Directory(Directory),
}

/// Tokens in memory.
#[derive(Default)]
pub(crate) struct InMemory {
    /// Those of the configuration.
    configured: BTreeMap<String, String>,
    /// Those that a program brought: they win, and outlive reloads.
    added: BTreeMap<String, String>,
}

/// A directory with a file per account.
pub(crate) struct Directory {
    options: DirectoryResolver,
    /// Held while a file is looked at and written.
    turn: Mutex<()>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// It is not there.
    #[error("account missing")]
    Missing,
    /// What was asked for is no account's key.
    #[error("will only fetch valid account keys")]
    NoKey,
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl Tokens {
    /// Opens the place of the options, and puts there what is to be there from the start. Without
    /// any resolver it is memory without anything in it.
    ///
    /// # Errors
    /// When the directory cannot be used, or a token cannot be put there.
    pub(crate) fn open(options: &OperatorOptions) -> Result<Tokens, String> {
        let tokens = match &options.resolver {
            None | Some(ResolverOptions::Memory) => Tokens::Memory(Mutex::default()),
            Some(ResolverOptions::Directory(directory)) => {
                Tokens::Directory(Directory::open(directory)?)
            }
        };
        tokens.preload(options);
        Ok(tokens)
    }

    /// Puts there what the options say is to be there; a newer token in a directory stays.
    pub(crate) fn preload(&self, options: &OperatorOptions) {
        if options.resolver.is_none() {
            return;
        }
        for (name, token) in &options.preload {
            let stored = match self {
                Tokens::Memory(tokens) => {
                    tokens.lock().configured.insert(name.clone(), token.clone());
                    Ok(())
                }
                Tokens::Directory(directory) => directory.save_newer(name, token),
            };
            if let Err(error) = stored {
                tracing::error!("Preloaded account [{name}] could not be stored: {error}");
            }
        }
    }

    /// Forgets what the configuration put into memory, as it names all of it anew.
    pub(crate) fn forget(&self) {
        if let Tokens::Memory(tokens) = self {
            tokens.lock().configured.clear();
        }
    }

    /// The token of an account.
    pub(crate) fn fetch(&self, name: &str) -> Result<String, NoToken> {
        if !is_account_key(name) {
            return Err(NoToken::NoKey);
        }
        match self {
            Tokens::Memory(tokens) => {
                let tokens = tokens.lock();
                let found = tokens.added.get(name).or_else(|| tokens.configured.get(name));
                found.cloned().ok_or(NoToken::Missing)
            }
            Tokens::Directory(directory) => directory.fetch(name),
        }
    }

    /// Keeps an account's token.
    ///
    /// # Errors
    /// When it cannot be kept; what was there stays.
    pub(crate) fn save(&self, name: &str, token: &str) -> Result<(), String> {
        match self {
            Tokens::Memory(tokens) => {
                tokens.lock().added.insert(name.to_owned(), token.to_owned());
                Ok(())
            }
            Tokens::Directory(directory) => directory.save(name, token),
        }
    }

    /// The directory, if it is one: whoever looks after tokens does it there.
    pub(crate) fn directory(&self) -> Option<&Directory> {
        match self {
            Tokens::Memory(_) => None,
            Tokens::Directory(directory) => Some(directory),
        }
    }
}

impl Directory {
    fn open(options: &DirectoryResolver) -> Result<Directory, String> {
        let dir = &options.dir;
        let failed = |error: io::Error| format!("{}: {}", dir.display(), os::error_text(&error));
        fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir).map_err(failed)?;
        // Whether it is one, and whether it may be read.
        fs::read_dir(dir).map_err(failed)?;
        tracing::info!("Managing all jwt in exclusive directory {}", dir.display());
        Ok(Directory { options: options.clone(), turn: Mutex::default() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.options.dir.join(format!("{name}{EXTENSION}"))
    }

    fn fetch(&self, name: &str) -> Result<String, NoToken> {
        match fs::read_to_string(self.path(name)) {
            Ok(token) if token.is_empty() => Err(NoToken::Missing),
            Ok(token) => Ok(token),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NoToken::Missing),
            Err(error) => Err(NoToken::Unreadable(os::error_text(&error))),
        }
    }

    /// Names of the accounts whose tokens are there.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.options.dir)? {
            let name = entry?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(EXTENSION));
            names.extend(name.filter(|name| is_account_key(name)).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// Names and tokens of the accounts whose tokens have not run out.
    pub(crate) fn current(&self) -> io::Result<Vec<(String, String)>> {
        let now = now_unix_s();
        let is_current = |token: &str| {
            GenericClaims::decode(token)
                .is_ok_and(|claims| claims.common.expires <= 0 || claims.common.expires >= now)
        };
        let named = self.names()?.into_iter();
        let tokens = named.filter_map(|name| self.fetch(&name).ok().map(|token| (name, token)));
        Ok(tokens.filter(|(_, token)| is_current(token)).collect())
    }

    /// Whether accounts may be deleted.
    pub(crate) fn deletion(&self) -> Deletion {
        self.options.deletion
    }

    fn save(&self, name: &str, token: &str) -> Result<(), String> {
        let _turn = self.turn.lock();
        self.write(name, token)
    }

    /// Keeps a token unless there is one that is as new (`saveIfNewer`).
    fn save_newer(&self, name: &str, token: &str) -> Result<(), String> {
        let _turn = self.turn.lock();
        if !is_account_key(name) {
            return Err("invalid public key".to_owned());
        }
        let there = self.fetch(name).ok();
        let there = there.and_then(|token| GenericClaims::decode(&token).ok());
        if let Some(there) = there {
            let fresh = GenericClaims::decode(token).map_err(|error| error.to_string())?;
            let (there, fresh) = (there.common, fresh.common);
            let same = !there.id.is_empty() && there.id == fresh.id;
            if same || there.issued_at > fresh.issued_at {
                return Ok(());
            }
            if fresh.subject != name {
                return Err("jwt subject nkey and provided nkey do not match".to_owned());
            }
        }
        self.write(name, token)
    }

    /// Writes a file beside the one there is, and puts it in its place: a stop in between leaves
    /// one of them whole.
    fn write(&self, name: &str, token: &str) -> Result<(), String> {
        if !is_account_key(name) {
            return Err("invalid public key".to_owned());
        }
        let path = self.path(name);
        if !path.exists() && self.is_full() {
            return Err("jwt store is full".to_owned());
        }
        let fresh = path.with_extension("jwt.new");
        let written = write_synced(&fresh, token).and_then(|()| fs::rename(&fresh, &path));
        written.map_err(|error| {
            // It is of no use, and may not be there at all.
            let _ = fs::remove_file(&fresh);
            os::error_text(&error)
        })?;
        sync_dir(&self.options.dir).map_err(|error| os::error_text(&error))
    }

    fn is_full(&self) -> bool {
        let Some(limit) = self.options.limit else { return false };
        self.names().map_or(0, |names| names.len() as u64) >= limit
    }

    /// Takes an account's token away; nothing where it is not there.
    ///
    /// # Errors
    /// When it may not be, or cannot be.
    pub(crate) fn delete(&self, name: &str) -> Result<(), String> {
        let _turn = self.turn.lock();
        let path = self.path(name);
        let gone = match self.options.deletion {
            Deletion::Refused => return Err("store is not set up to for delete".to_owned()),
            Deletion::Renames => fs::rename(&path, path.with_extension("jwt.deleted")),
            Deletion::Removes => fs::remove_file(&path),
        };
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(os::error_text(&error)),
            _ => Ok(()),
        }
    }
}

fn write_synced(path: &Path, token: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(token.as_bytes())?;
    file.sync_all()
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}
