//! Keys that lie in the database themselves, each sealed by [`crate::seal::Sealer`]: what one of them
//! sealed or hashed stays as it is when the service's own key changes.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::{hkdf, hmac, rand};
use yard_fault::Fault;

use crate::seal::{KEY_BYTES, binding, cipher};

/// First byte of what such a key sealed; no key id follows, as in what a `Sealer` seals.
const VERSION: u8 = 2;

/// One key. It seals, and hashes what need never be read again.
pub struct DataKey(hkdf::Prk);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataKey").finish_non_exhaustive()
    }
}

impl DataKey {
    /// 32 random bytes, to be sealed and kept.
    ///
    /// # Errors
    /// `internal` when the system gives no random numbers.
    pub fn make() -> Result<[u8; KEY_BYTES], Fault> {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).map_err(|_e| Fault::internal("no random numbers for a key"))?;
        Ok(bytes)
    }

    /// The key of the bytes that [`DataKey::make`] gave.
    ///
    /// # Errors
    /// `internal` unless there are 32.
    pub fn of(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() != KEY_BYTES {
            return Err(Fault::internal("a data key has to have 32 bytes"));
        }
        Ok(Self(hkdf::Salt::new(hkdf::HKDF_SHA256, b"switchyard data key").extract(bytes)))
    }

    /// Encrypts. `purpose` names what it is, `aad` whose, for example the row's id; opening needs the
    /// same two.
    ///
    /// # Errors
    /// `internal` when the system gives no random numbers.
    pub fn seal(&self, purpose: &str, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_e| Fault::internal("no random numbers to seal with"))?;
        let bound = Aad::from(binding(&[VERSION], purpose, aad));
        let mut text = plain.to_vec();
        cipher(&self.0, purpose)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut text)
            .map_err(|_e| Fault::internal("could not seal"))?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts what [`DataKey::seal`] made for the same purpose and `aad`.
    ///
    /// # Errors
    /// `internal` when it is another key's, or anything was changed.
    pub fn open(&self, purpose: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let broken = || Fault::internal(format!("a sealed {purpose} cannot be opened"));
        let rest = sealed.strip_prefix(&[VERSION]).ok_or_else(broken)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        let bound = Aad::from(binding(&[VERSION], purpose, aad));
        let mut text = text.to_vec();
        let plain = cipher(&self.0, purpose)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut text)
            .map_err(|_e| broken())?;
        Ok(plain.to_vec())
    }

    /// HMAC-SHA-256 of a text, bound to purpose and `aad` as a seal is.
    ///
    /// # Errors
    /// `internal` when no key can be derived.
    pub fn hash(&self, purpose: &str, aad: &[u8], text: &[u8]) -> Result<[u8; 32], Fault> {
        let (key, bound) = self.hashing(purpose, aad, text)?;
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&key, &bound).as_ref());
        Ok(hash)
    }

    /// Whether [`DataKey::hash`] gave this hash, found out in constant time.
    ///
    /// # Errors
    /// As [`DataKey::hash`].
    pub fn is_hash(
        &self,
        purpose: &str,
        aad: &[u8],
        text: &[u8],
        hash: &[u8],
    ) -> Result<bool, Fault> {
        let (key, bound) = self.hashing(purpose, aad, text)?;
        Ok(hmac::verify(&key, &bound, hash).is_ok())
    }

    fn hashing(
        &self,
        purpose: &str,
        aad: &[u8],
        text: &[u8],
    ) -> Result<(hmac::Key, Vec<u8>), Fault> {
        let refused = |_e| Fault::internal("could not derive a hashing key");
        let info = [b"switchyard/hash/1/".as_slice(), purpose.as_bytes()];
        let derived = self.0.expand(&info, hmac::HMAC_SHA256).map_err(refused)?;
        // Two parts never pass for other two: the length of the first stands before it.
        let mut bound = binding(&(aad.len() as u64).to_be_bytes(), purpose, aad);
        bound.extend_from_slice(text);
        Ok((hmac::Key::from(derived), bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DataKey {
        DataKey::of(&[byte; 32]).unwrap()
    }

    #[test]
    fn sealed_text_opens_for_its_key_purpose_and_owner_only() {
        let sealed = key(1).seal("secret", b"row 1", b"opensesame").unwrap();
        assert_eq!(key(1).open("secret", b"row 1", &sealed).unwrap(), b"opensesame");
        assert!(key(2).open("secret", b"row 1", &sealed).is_err());
        assert!(key(1).open("other", b"row 1", &sealed).is_err());
        assert!(key(1).open("secret", b"row 2", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key(1).open("secret", b"row 1", &changed).is_err(), "byte {at}");
        }
        assert!(key(1).open("secret", b"row 1", &[]).is_err());
    }

    #[test]
    fn hash_is_of_its_key_purpose_owner_and_text_only() {
        let hash = key(1).hash("password", b"row", b"text").unwrap();
        assert!(key(1).is_hash("password", b"row", b"text", &hash).unwrap());
        assert!(!key(2).is_hash("password", b"row", b"text", &hash).unwrap());
        assert!(!key(1).is_hash("other", b"row", b"text", &hash).unwrap());
        assert!(!key(1).is_hash("password", b"rowt", b"ext", &hash).unwrap());
        assert!(!key(1).is_hash("password", b"row", b"text", &[]).unwrap());
        assert!(DataKey::of(&[1; 31]).is_err());
    }
}
