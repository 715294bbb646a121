//! Sealing: what a service has to be able to read again itself (private keys, TOTP secrets, a
//! successor's token) lies encrypted in the database, under a key that is only in a file.
//!
//! The file has one key a line, `kid:base64 of 32 bytes`; the first one seals, all of them open. To
//! change keys put the new one first, have everything sealed anew (each owner's re-seal path), then
//! take the old one out. A key that something is still sealed with cannot be taken out: its owner
//! refuses to start, see [`Sealer::require`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yard_fault::Fault;
use yard_runtime::{ConfigError, Secret};

const OPTION: &str = "sealing.key_file";
pub(crate) const KEY_BYTES: usize = 32;
/// One in use, one on its way in or out, and room for an old backup's.
const MOST_KEYS: usize = 4;
const LONGEST_KID: usize = 32;
/// First byte of everything sealed; another layout would get another.
const VERSION: u8 = 1;

/// Seals and opens. Cheap to clone; clones see a reload.
#[derive(Clone)]
pub struct Sealer {
    path: Arc<PathBuf>,
    keys: Arc<RwLock<Arc<[Key]>>>,
}

struct Key {
    kid: String,
    secret: hkdf::Prk,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.keys();
        let kids: Vec<_> = keys.iter().map(|key| key.kid.as_str()).collect();
        f.debug_struct("Sealer").field("kids", &kids).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Reads the key file.
    ///
    /// # Errors
    /// Names the option and the line, never a key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let keys = read(path)?;
        Ok(Self { path: Arc::new(path.to_owned()), keys: Arc::new(RwLock::new(keys)) })
    }

    /// Reads the file again. What it held before stays in force if it cannot be used.
    ///
    /// # Errors
    /// As [`Sealer::load`].
    pub fn reload(&self) -> Result<(), ConfigError> {
        let keys = read(&self.path)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Encrypts under the active key. `purpose` names what it is, for example `"totp-secret"`;
    /// `aad` names whose, for example the row's id. Opening needs the same two.
    ///
    /// # Errors
    /// `internal` when the system gives no random numbers.
    pub fn seal(&self, purpose: &str, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let keys = self.keys();
        let key = keys.first().ok_or_else(|| Fault::internal("there is no sealing key"))?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_e| Fault::internal("no random numbers to seal with"))?;
        let mut sealed = head(&key.kid);
        let bound = Aad::from(binding(&sealed, purpose, aad));
        sealed.extend_from_slice(&nonce);
        let mut text = plain.to_vec();
        key.cipher(purpose)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut text)
            .map_err(|_e| Fault::internal("could not seal"))?;
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts what [`Sealer::seal`] made for the same purpose and `aad`.
    ///
    /// # Errors
    /// `internal` when the key is not in the file, or anything was changed.
    pub fn open(&self, purpose: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let broken = || Fault::internal(format!("a sealed {purpose} cannot be opened"));
        let kid = kid_of(sealed).ok_or_else(broken)?;
        let keys = self.keys();
        let key = keys.iter().find(|key| key.kid == kid).ok_or_else(|| {
            Fault::internal(format!("a {purpose} is sealed with {kid}, which {OPTION} has not"))
        })?;
        let start = head(kid);
        let rest = sealed.get(start.len()..).ok_or_else(broken)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        let bound = Aad::from(binding(&start, purpose, aad));
        let mut text = text.to_vec();
        let plain = key
            .cipher(purpose)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut text)
            .map_err(|_e| broken())?;
        Ok(plain.to_vec())
    }

    /// Seals anew what another key than the active one sealed; `None` when there is no need.
    ///
    /// # Errors
    /// As [`Sealer::open`] and [`Sealer::seal`].
    pub fn reseal(
        &self,
        purpose: &str,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, Fault> {
        if kid_of(sealed) == Some(self.active().as_str()) {
            return Ok(None);
        }
        let plain = self.open(purpose, aad, sealed)?;
        self.seal(purpose, aad, &plain).map(Some)
    }

    /// Id of the key that seals.
    #[must_use]
    pub fn active(&self) -> String {
        self.keys().first().map(|key| key.kid.clone()).unwrap_or_default()
    }

    /// Refuses to go on without a key that something is sealed with: an owner calls it at its
    /// start with the ids that its rows name.
    ///
    /// # Errors
    /// Names the option and the missing key.
    pub fn require<'k>(&self, kids: impl IntoIterator<Item = &'k str>) -> Result<(), ConfigError> {
        let keys = self.keys();
        let missing = kids.into_iter().find(|kid| !keys.iter().any(|key| key.kid == *kid));
        match missing {
            None => Ok(()),
            Some(kid) => Err(ConfigError::new(
                OPTION,
                format!("key {kid} is missing, and there is data sealed with it"),
            )),
        }
    }

    fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Key {
    fn cipher(&self, purpose: &str) -> Result<LessSafeKey, Fault> {
        cipher(&self.secret, purpose)
    }
}

/// A key of its own for each purpose, so that none meets the limit of random nonces.
pub(crate) fn cipher(secret: &hkdf::Prk, purpose: &str) -> Result<LessSafeKey, Fault> {
    let refused = |_e| Fault::internal("could not derive a sealing key");
    let info = [b"switchyard/seal/1/".as_slice(), purpose.as_bytes()];
    let derived = secret.expand(&info, &AES_256_GCM).map_err(refused)?;
    Ok(LessSafeKey::new(UnboundKey::from(derived)))
}

/// Id of the key that something is sealed with; `None` if it is nothing sealed.
#[must_use]
pub fn kid_of(sealed: &[u8]) -> Option<&str> {
    let [VERSION, length, rest @ ..] = sealed else {
        return None;
    };
    std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
}

fn head(kid: &str) -> Vec<u8> {
    let length = u8::try_from(kid.len()).expect("a key id is at most 32 bytes");
    let mut head = vec![VERSION, length];
    head.extend_from_slice(kid.as_bytes());
    head
}

/// What the tag covers beside the text. The lengths keep two parts from passing for others.
pub(crate) fn binding(head: &[u8], purpose: &str, aad: &[u8]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(head.len() + purpose.len() + aad.len() + 8);
    bound.extend_from_slice(head);
    bound.extend_from_slice(&(purpose.len() as u64).to_be_bytes());
    bound.extend_from_slice(purpose.as_bytes());
    bound.extend_from_slice(aad);
    bound
}

fn read(path: &Path) -> Result<Arc<[Key]>, ConfigError> {
    let text = Secret::from_file(OPTION, path)?;
    let mut keys: Vec<Key> = Vec::new();
    for (number, line) in text.expose().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| {
            ConfigError::new(OPTION, format!("line {}: {what}", number.wrapping_add(1)))
        };
        let key = parse(line).ok_or_else(|| wrong("has to be kid:base64 of 32 bytes"))?;
        if keys.iter().any(|known| known.kid == key.kid) {
            return Err(wrong("has the id of another line"));
        }
        keys.push(key);
    }
    if !(1..=MOST_KEYS).contains(&keys.len()) {
        return Err(ConfigError::new(OPTION, format!("needs 1 to {MOST_KEYS} keys")));
    }
    Ok(keys.into())
}

fn parse(line: &str) -> Option<Key> {
    let (kid, encoded) = line.split_once(':')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if kid.is_empty() || kid.len() > LONGEST_KID || !kid.bytes().all(plain) {
        return None;
    }
    let bytes = STANDARD.decode(encoded.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES)?;
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"switchyard sealing").extract(&bytes);
    Some(Key { kid: kid.to_owned(), secret })
}
