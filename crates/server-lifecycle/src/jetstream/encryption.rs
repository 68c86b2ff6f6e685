//! The key of the store: configured, or kept by a trusted platform module.

use std::path::Path;

use config_validate::options::{Cipher, JetStreamOptions, StoreKey};
use store::{Encryption, MasterKey, StoreCipher};

use super::JetStreamError;

/// Register that is used where none is named: 0 is none.
const DEFAULT_PCR: i64 = 22;

/// A key that a trusted platform module keeps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TpmKey<'o> {
    /// Password of the storage root key; empty where there is none.
    pub(super) srk_password: &'o str,
    /// File that holds the key, sealed.
    pub(super) file: &'o Path,
    /// Password of the key; empty where there is none.
    pub(super) password: &'o str,
    /// Platform configuration register, never 0.
    pub(super) pcr: i64,
}

/// Loads or makes a key: the text that stands for it.
pub(super) type LoadTpmKey<'f> = &'f dyn Fn(&TpmKey<'_>) -> Result<String, JetStreamError>;

/// What all systems but one have to say of such a key (`server/tpm/js_ek_tpm_other.go`).
///
/// # Errors
/// Always.
// tidy: allow constant-function: there is no such module to ask, as in the reference
pub(super) fn load_tpm_key(_key: &TpmKey<'_>) -> Result<String, JetStreamError> {
    Err(JetStreamError::Tpm)
}

/// Resolves the key of the store; none leaves the store plain. What a module answered is kept
/// apart from what is configured, so that it can be asked again. The previous key is that of the
/// configuration.
///
/// Wire source: `initJetStreamEncryption` in `server/jetstream.go`.
///
/// # Errors
/// Where both a key and a module's key file are configured; what `load` says.
pub(super) fn init_encryption(
    options: &JetStreamOptions,
    load: LoadTpmKey<'_>,
) -> Result<Option<Encryption>, JetStreamError> {
    mark::hit!(F1372);
    let master = |key: &str| MasterKey::new(key.as_bytes());
    let configured = |key: &Option<StoreKey>| master(&key.as_ref()?.0);
    let tpm = options.tpm.as_ref();
    let file = tpm.and_then(|tpm| tpm.keys_file.as_deref()).filter(|f| !f.as_os_str().is_empty());
    let key = match (configured(&options.key), tpm.zip(file)) {
        (Some(_), Some(_)) => return Err(JetStreamError::KeyAndTpm),
        (key, None) => key,
        (None, Some((tpm, file))) => master(&load(&TpmKey {
            srk_password: tpm.srk_password.as_deref().unwrap_or_default(),
            file,
            password: tpm.encryption_password.as_deref().unwrap_or_default(),
            pcr: if tpm.pcr == 0 { DEFAULT_PCR } else { tpm.pcr },
        })?),
    };
    let cipher = match options.cipher {
        Cipher::ChaCha => StoreCipher::ChaCha,
        Cipher::Aes => StoreCipher::Aes,
    };
    Ok(key.map(|key| Encryption { cipher, key, previous: configured(&options.prev_key) }))
}
