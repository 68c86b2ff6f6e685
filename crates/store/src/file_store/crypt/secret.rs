//! A seed with its cipher: sealing small files, and the key stream of a block
//! (`server/filestore.go` `genEncryptionKey`, `genBlockEncryptionKey`).

use std::io;

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit};
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20poly1305::XChaCha20Poly1305;
use env::{OsRng, Rng};

use super::StoreCipher;

type Aes256Gcm16 = AesGcm<aes::Aes256, U16>;
type Aes256Ctr = ctr::Ctr128BE<aes::Aes256>;

const LONGEST_NONCE: usize = 24;

/// The secret that a key file holds; never printed.
#[derive(Clone)]
pub(in crate::file_store) struct Secret {
    cipher: StoreCipher,
    seed: [u8; 32],
    /// The nonce that the key file starts with, which also starts a block's key stream.
    nonce: [u8; LONGEST_NONCE],
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", self.cipher)
    }
}

/// Encrypts one message, without associated data.
fn seal(cipher: StoreCipher, key: &[u8; 32], nonce: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    match cipher {
        StoreCipher::ChaCha => XChaCha20Poly1305::new(key.into())
            .encrypt(chacha20poly1305::XNonce::from_slice(nonce), plain),
        StoreCipher::Aes => {
            Aes256Gcm16::new(key.into()).encrypt(aes_gcm::Nonce::<U16>::from_slice(nonce), plain)
        }
    }
    .ok()
}

fn open(cipher: StoreCipher, key: &[u8; 32], stored: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = stored.split_at_checked(cipher.nonce_len())?;
    match cipher {
        StoreCipher::ChaCha => XChaCha20Poly1305::new(key.into())
            .decrypt(chacha20poly1305::XNonce::from_slice(nonce), sealed),
        StoreCipher::Aes => {
            Aes256Gcm16::new(key.into()).decrypt(aes_gcm::Nonce::<U16>::from_slice(nonce), sealed)
        }
    }
    .ok()
}

impl Secret {
    pub(super) fn generate(cipher: StoreCipher) -> io::Result<Self> {
        let mut secret = Secret { cipher, seed: [0; 32], nonce: [0; LONGEST_NONCE] };
        OsRng.fill(&mut secret.seed)?;
        OsRng.fill(&mut secret.nonce)?;
        Ok(secret)
    }

    fn nonce(&self) -> &[u8] {
        self.nonce.get(..self.cipher.nonce_len()).unwrap_or(&self.nonce)
    }

    /// The key file.
    pub(super) fn wrap(&self, key: &[u8; 32]) -> Vec<u8> {
        let mut file = self.nonce().to_vec();
        file.extend(seal(self.cipher, key, self.nonce(), &self.seed).unwrap_or_default());
        file
    }

    /// What a key file holds; `None` if it is of another key or cipher.
    pub(super) fn unwrap(cipher: StoreCipher, key: &[u8; 32], file: &[u8]) -> Option<Self> {
        let seed = open(cipher, key, file)?.try_into().ok()?;
        let mut nonce = [0; LONGEST_NONCE];
        let len = cipher.nonce_len();
        nonce.get_mut(..len)?.copy_from_slice(file.get(..len)?);
        Some(Secret { cipher, seed, nonce })
    }

    /// A small file as it is stored, under a fresh nonce.
    pub(in crate::file_store) fn seal(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut stored = vec![0; self.cipher.nonce_len()];
        OsRng.fill(&mut stored)?;
        let sealed = seal(self.cipher, &self.seed, &stored, plain)
            .ok_or_else(|| io::Error::other("too long to be encrypted"))?;
        stored.extend_from_slice(&sealed);
        Ok(stored)
    }

    /// A small file as it was; `None` if it was not sealed under this secret.
    pub(super) fn open(&self, stored: &[u8]) -> Option<Vec<u8>> {
        open(self.cipher, &self.seed, stored)
    }

    /// The key stream of a block.
    pub(super) fn key_stream(&self) -> KeyStream {
        let seed = &self.seed.into();
        match self.cipher {
            StoreCipher::ChaCha => {
                let nonce = chacha20::XNonce::from_slice(self.nonce());
                KeyStream::ChaCha(Box::new(chacha20::XChaCha20::new(seed, nonce)))
            }
            StoreCipher::Aes => {
                let start = aes::Block::from_slice(self.nonce());
                KeyStream::Aes(Box::new(Aes256Ctr::new(seed, start)))
            }
        }
    }
}

/// What a block's bytes are combined with: byte k of the file with byte k of the stream.
pub(super) enum KeyStream {
    ChaCha(Box<chacha20::XChaCha20>),
    Aes(Box<Aes256Ctr>),
}

impl KeyStream {
    /// Encrypts or decrypts the bytes at `offset` of the file.
    pub(super) fn apply(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let applied = match self {
            KeyStream::ChaCha(stream) => stream
                .try_seek(offset)
                .map_err(|_| ())
                .and_then(|()| stream.try_apply_keystream(bytes).map_err(|_| ())),
            KeyStream::Aes(stream) => stream
                .try_seek(offset)
                .map_err(|_| ())
                .and_then(|()| stream.try_apply_keystream(bytes).map_err(|_| ())),
        };
        applied.map_err(|()| io::Error::other("a block is too long to be encrypted"))
    }
}

impl std::fmt::Debug for KeyStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyStream")
    }
}
