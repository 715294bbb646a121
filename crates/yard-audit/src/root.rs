use time::OffsetDateTime;

use crate::canonical::Canonical;
use crate::{Hash, KeyError, PublicKeys, SigningKey};

const DOMAIN: &str = "switchyard.audit.root.v1";

/// A signed root over the heads of all chains. Roots are a chain themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// From 1, without gaps.
    pub number: i64,
    /// Counted in microseconds.
    pub made_at: OffsetDateTime,
    /// Of the tree over the heads.
    pub merkle_root: Hash,
    /// Digest of the root before; zero for the first.
    pub previous_digest: Hash,
    /// The key that signed.
    pub key_id: String,
    /// Ed25519 over [`Root::digest`].
    pub signature: Vec<u8>,
}

impl Root {
    /// Signs.
    #[must_use]
    pub fn sign(
        key: &SigningKey,
        number: i64,
        made_at: OffsetDateTime,
        merkle_root: Hash,
        previous_digest: Hash,
    ) -> Self {
        let key_id = key.id().to_owned();
        let unsigned =
            Self { number, made_at, merkle_root, previous_digest, key_id, signature: Vec::new() };
        let signature = key.sign(unsigned.digest().as_bytes());
        Self { signature, ..unsigned }
    }

    /// What is signed, and what the next root holds of this one.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Canonical::of(DOMAIN)
            .number(self.number)
            .time(self.made_at)
            .hash(&self.merkle_root)
            .hash(&self.previous_digest)
            .text(&self.key_id)
            .digest()
    }

    /// Whether the signature is of one of these keys.
    ///
    /// # Errors
    /// When the key is not known, or did not sign this.
    pub fn verify(&self, keys: &PublicKeys) -> Result<(), KeyError> {
        keys.verify(&self.key_id, self.digest().as_bytes(), &self.signature)
    }
}
