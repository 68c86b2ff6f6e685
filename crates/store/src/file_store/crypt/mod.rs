//! Encryption at rest: what is configured, and the keys of one stream's files
//! (`server/jetstream.go` `jsKeyGen`, `server/filestore.go` `genEncryptionKeys`).
//!
//! A key file holds a random seed, sealed under a key that is derived from the master key and the
//! file's place. Configurations, the index and consumers' progress are sealed under their seed;
//! blocks are covered by a key stream.

mod aside;
mod block_disk;
mod convert;
mod key_file;
mod rekey;
mod secret;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub(super) use block_disk::BlockDisk;
pub(super) use key_file::{keep_copy, refresh_copy};
pub(super) use rekey::{Keyed, finish_rekey, read_asset, read_key, rekey_dir};
pub(super) use secret::Secret;

/// Smallest key file (`minMetaKeySize`, `minBlkKeySize`).
const SMALLEST_KEY: usize = 64;

/// Cipher of a store (`server/filestore.go` `StoreCipher`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreCipher {
    /// XChaCha20-Poly1305; XChaCha20 for blocks.
    #[default]
    ChaCha,
    /// AES-256-GCM with a nonce of 16 bytes; AES-256-CTR for blocks.
    Aes,
}

impl StoreCipher {
    fn other(self) -> Self {
        match self {
            StoreCipher::ChaCha => StoreCipher::Aes,
            StoreCipher::Aes => StoreCipher::ChaCha,
        }
    }

    /// Bytes of a key file: nonce, sealed seed, tag.
    const fn key_file_len(self) -> usize {
        self.nonce_len() + 32 + 16
    }

    const fn nonce_len(self) -> usize {
        match self {
            StoreCipher::ChaCha => 24,
            StoreCipher::Aes => 16,
        }
    }
}

impl std::fmt::Display for StoreCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StoreCipher::ChaCha => "ChaCha20-Poly1305",
            StoreCipher::Aes => "AES-GCM",
        })
    }
}

/// The key of a whole store; never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    /// As HMAC-SHA-256 uses it: filled up with zeros to the hash's block, hashed first if longer.
    block: [u8; 64],
}

impl MasterKey {
    /// A key from its configured bytes; `None` if there are none.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut block = [0; 64];
        if bytes.is_empty() {
            return None;
        }
        match block.get_mut(..bytes.len()) {
            Some(start) => start.copy_from_slice(bytes),
            None => block[..32].copy_from_slice(&Sha256::digest(bytes)),
        }
        Some(MasterKey { block })
    }

    /// The key for one place: `info` is the account's name.
    fn derive(&self, info: &str, context: &str) -> [u8; 32] {
        mark::hit!(F1369);
        let mut mac = Hmac::<Sha256>::new(&self.block.into());
        mac.update(info.as_bytes());
        mac.update(context.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Encryption at rest as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// For all that is written.
    pub cipher: StoreCipher,
    /// For all that is written.
    pub key: MasterKey,
    /// What was written under it, with either cipher, is read and written anew.
    pub previous: Option<MasterKey>,
}

/// Which key a file was found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The configured key and cipher.
    Current,
    /// No key, the previous one, or the other cipher: it is to be written anew.
    Stale,
    /// The key file was damaged: likewise.
    Damaged,
}

/// The keys of one stream's files.
#[derive(Debug)]
pub(super) struct Vault {
    encryption: Encryption,
    account: String,
    stream: String,
    /// Blocks' key files, and what they hold: a block is opened several times while its stream is.
    found: Mutex<Option<HashMap<u64, Found>>>,
}

#[derive(Debug)]
struct Found {
    file: Vec<u8>,
    secret: Secret,
    origin: Origin,
}

impl Vault {
    /// The account's directory has its name.
    pub(super) fn new(encryption: Encryption, account_dir: &Path, stream: &str) -> Self {
        let account = account_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Vault { encryption, account, stream: stream.to_owned(), found: Mutex::default() }
    }

    /// Remembers blocks' keys until it is told to forget.
    pub(super) fn remember(&self) {
        *self.found() = Some(HashMap::new());
    }

    pub(super) fn forget(&self) {
        *self.found() = None;
    }

    fn found(&self) -> MutexGuard<'_, Option<HashMap<u64, Found>>> {
        match self.found.lock() {
            Ok(found) => found,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Context of the stream's own key.
    pub(super) fn stream_context(&self) -> String {
        self.stream.clone()
    }

    /// Context of a consumer's key.
    pub(super) fn consumer_context(&self, consumer: &str) -> String {
        format!("{}.{consumer}", self.stream)
    }

    fn block_context(&self, index: u64) -> String {
        format!("{}:{index}", self.stream)
    }

    /// A new secret, and its key file.
    pub(super) fn generate(&self, context: &str) -> std::io::Result<(Secret, Vec<u8>)> {
        let secret = Secret::generate(self.encryption.cipher)?;
        let file = secret.wrap(&self.encryption.key.derive(&self.account, context));
        Ok((secret, file))
    }

    /// What a block's key file holds.
    ///
    /// # Errors
    /// The reference's words.
    fn unwrap_block(&self, index: u64, file: &[u8]) -> Result<(Secret, Origin), &'static str> {
        let mut found = self.found();
        if let Some(known) = found.as_ref().and_then(|found| found.get(&index))
            && known.file == file
        {
            return Ok((known.secret.clone(), known.origin));
        }
        let (secret, origin, ()) = self.unwrap(&self.block_context(index), file, |_| Some(()))?;
        if let Some(found) = &mut *found {
            let (file, secret) = (file.to_vec(), secret.clone());
            found.insert(index, Found { file, secret, origin });
        }
        Ok((secret, origin))
    }

    /// What a key file holds, if `accept` takes it: the current key first, then the previous one,
    /// each with the configured cipher and the other one (`decryptMeta`). One bad bit in it does
    /// not matter.
    ///
    /// # Errors
    /// The reference's words.
    pub(super) fn unwrap<T>(
        &self,
        context: &str,
        file: &[u8],
        accept: impl Fn(&Secret) -> Option<T>,
    ) -> Result<(Secret, Origin, T), &'static str> {
        if file.len() < SMALLEST_KEY {
            return Err("encryption bad key size");
        }
        let Encryption { cipher, key, previous } = self.encryption;
        let keys = [Some(key), previous].into_iter().flatten();
        let candidates: Vec<_> = keys
            .map(|key| key.derive(&self.account, context))
            .flat_map(|key| [cipher, cipher.other()].map(|cipher| (cipher, key)))
            .collect();
        for (number, (cipher, key)) in candidates.iter().enumerate() {
            if let Some(secret) = Secret::unwrap(*cipher, key, file)
                && let Some(accepted) = accept(&secret)
            {
                let origin = if number == 0 { Origin::Current } else { Origin::Stale };
                mark::hit!(F1370);
                return Ok((secret, origin, accepted));
            }
        }
        for (cipher, key) in &candidates {
            let mended = key_file::mended(*cipher, file)
                .find_map(|file| Secret::unwrap(*cipher, key, &file));
            if let Some(secret) = mended
                && let Some(accepted) = accept(&secret)
            {
                return Ok((secret, Origin::Damaged, accepted));
            }
        }
        Err("unable to recover keys")
    }
}

/// Key of a directory's own files; none in a plain store.
#[derive(Clone, Debug, Default)]
pub(super) struct Asset(pub(super) Option<Secret>);

impl Asset {
    /// The bytes as they are stored.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn seal(&self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        match &self.0 {
            None => Ok(plain.to_vec()),
            Some(secret) => secret.seal(plain),
        }
    }

    /// The bytes as they were; `None` if they were not sealed under this key.
    pub(super) fn open(&self, stored: Vec<u8>) -> Option<Vec<u8>> {
        match &self.0 {
            None => Some(stored),
            Some(secret) => secret.open(&stored),
        }
    }
}

#[cfg(test)]
mod tests;
