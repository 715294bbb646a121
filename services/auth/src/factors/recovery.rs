//! Recovery codes: 80 random bits each, so that a plain hash of them gives nothing away.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use uuid::Uuid;
use yard_fault::Fault;

use crate::secrets;

/// Codes that are made at once.
pub(super) const CODES: usize = 10;

const RANDOM: usize = 10;
const GROUP: usize = 4;

/// Crockford's base32: no letter looks like a digit, and who writes one meant the digit.
static ALPHABET: LazyLock<Encoding> = LazyLock::new(|| {
    let mut alphabet = Specification::new();
    alphabet.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    alphabet.translate.from.push_str("ABCDEFGHJKMNPQRSTVWXYZoOiIlL");
    alphabet.translate.to.push_str("abcdefghjkmnpqrstvwxyz001111");
    alphabet.ignore.push_str("- \t");
    alphabet.encoding().expect("32 symbols, each translated to one of them")
});

/// A code, as its owner writes it down.
pub(super) struct RecoveryCode([u8; RANDOM]);

impl RecoveryCode {
    pub(super) fn generate() -> Result<Self, Fault> {
        Ok(Self(secrets::random()?))
    }

    /// `None` for a text that cannot be one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let bytes = ALPHABET.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// In groups of four.
    pub(super) fn written(&self) -> String {
        let plain = ALPHABET.encode(&self.0);
        let groups: Vec<_> = plain.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// What is stored: the owner is in it, so that equal codes of two people differ.
    pub(super) fn hash(&self, owner: Uuid) -> [u8; 32] {
        secrets::sha256_of(&[owner.as_bytes().as_slice(), &self.0].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_read_back_however_it_is_written() {
        let code = RecoveryCode([0, 1, 2, 3, 4, 5, 6, 7, 8, 0xff]);
        let text = code.written();
        assert_eq!(text.len(), 19);
        let hash = code.hash(Uuid::nil());
        let sloppy = text.replace('0', "O").replace('1', "l").to_uppercase();
        for written in [text.clone(), text.replace('-', ""), text.replace('-', " "), sloppy] {
            assert_eq!(RecoveryCode::parse(&written).unwrap().hash(Uuid::nil()), hash, "{written}");
        }
        assert_ne!(code.hash(Uuid::max()), hash);
    }

    #[test]
    fn text_that_is_no_code_is_refused() {
        let long = "-".repeat(65);
        for text in ["", "123456", "uuuu-uuuu-uuuu-uuuu", "0000-0000-0000-000", "é", long.as_str()]
        {
            assert!(RecoveryCode::parse(text).is_none(), "{text}");
        }
        assert!(RecoveryCode::parse("0000-0000-0000-0000-0").is_none());
    }
}
