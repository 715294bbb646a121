use aws_lc_rs::digest::{Context, SHA256};
use time::OffsetDateTime;

use crate::canonical::Canonical;
use crate::merkle::Step;
use crate::{Hash, KeyError, PublicKeys, Root, SigningKey};

const DOMAIN: &str = "switchyard.audit.export.v1";

/// Whether an event is shown with its personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disclosure {
    /// It has none.
    None,
    /// Shown, and fits the commitment.
    Open,
    /// The key is destroyed.
    Erased,
}

impl Disclosure {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Open => "open",
            Self::Erased => "erased",
        }
    }
}

/// The running digest over all that an export says, and the signature over that.
#[derive(Clone)]
pub struct Seal(Context);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// Begins with the header.
    #[must_use]
    pub fn begin(chain: &str, first_sequence: i64, first_previous_hash: &Hash) -> Self {
        let mut this = Self(Context::new(&SHA256));
        this.add(
            &Canonical::of("header").text(chain).number(first_sequence).hash(first_previous_hash),
        );
        this
    }

    /// An event, by its hash.
    pub fn event(&mut self, hash: &Hash, shown: Disclosure) {
        self.add(&Canonical::of("event").hash(hash).text(shown.as_str()));
    }

    /// An anchor with its root.
    pub fn anchor(&mut self, root: &Root, sequence: i64, path: &[Step]) {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        self.add(
            &Canonical::of("anchor")
                .hash(&root.digest())
                .bytes(&root.signature)
                .number(sequence)
                .texts(&path),
        );
    }

    /// The digest over everything so far.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut made = [0; 32];
        made.copy_from_slice(self.0.clone().finish().as_ref());
        Hash::from(made)
    }

    /// The signature that closes the export.
    #[must_use]
    pub fn sign(
        &self,
        key: &SigningKey,
        last_sequence: i64,
        last_hash: &Hash,
        at: OffsetDateTime,
    ) -> Vec<u8> {
        key.sign(message(&self.digest(), last_sequence, last_hash, at, key.id()).as_bytes())
    }

    pub(super) fn verify(
        &self,
        keys: &PublicKeys,
        end: &super::EndLine,
        at: OffsetDateTime,
        signature: &[u8],
    ) -> Result<(), KeyError> {
        let signed = message(&self.digest(), end.last_sequence, &end.last_hash, at, &end.key_id);
        keys.verify(&end.key_id, signed.as_bytes(), signature)
    }

    fn add(&mut self, item: &Canonical) {
        // Each item is self-delimiting: its fields carry their lengths, and the first names it.
        self.0.update(item.as_bytes());
    }
}

fn message(
    digest: &Hash,
    last_sequence: i64,
    last_hash: &Hash,
    at: OffsetDateTime,
    key_id: &str,
) -> Canonical {
    Canonical::of(DOMAIN).hash(digest).number(last_sequence).hash(last_hash).time(at).text(key_id)
}
