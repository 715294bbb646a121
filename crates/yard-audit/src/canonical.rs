//! The one encoding that everything is hashed in: fields in a fixed order, each as its length in
//! bytes (four bytes, big-endian) and its bytes. Numbers are decimal text.

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::Hash;

/// Fields, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    /// Begins with the domain tag, which keeps a hash of one kind from passing as another's.
    pub(crate) fn of(domain: &str) -> Self {
        Self(Vec::with_capacity(512)).text(domain)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        // Nothing that is hashed comes near four gigabytes.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn number(self, number: i64) -> Self {
        self.text(&number.to_string())
    }

    pub(crate) fn hash(self, hash: &Hash) -> Self {
        self.bytes(hash.as_bytes())
    }

    /// Microseconds since 1970.
    pub(crate) fn time(self, at: OffsetDateTime) -> Self {
        self.text(&(at.unix_timestamp_nanos() / 1_000).to_string())
    }

    /// The count, then each.
    pub(crate) fn texts<T: AsRef<str>>(self, texts: &[T]) -> Self {
        let counted = self.number(i64::try_from(texts.len()).unwrap_or(i64::MAX));
        texts.iter().fold(counted, |made, text| made.text(text.as_ref()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn digest(&self) -> Hash {
        sha256(&self.0)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let mut made = [0; 32];
    made.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Hash::from(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_split_elsewhere_differ() {
        let a = Canonical::of("d").text("ab").text("c").digest();
        let b = Canonical::of("d").text("a").text("bc").digest();
        assert_ne!(a, b);
        assert_eq!(Canonical::of("d").number(7).as_bytes(), b"\0\0\0\x01d\0\0\0\x017");
    }
}
