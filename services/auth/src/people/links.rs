use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yard_fault::{Code, Fault};

use crate::mail::{Link, Page};
use crate::secrets;

const RANDOM: usize = 32;

/// What stands behind `#` in a link of a mail: 32 random bytes in base64url. Only its hash is kept.
pub(crate) struct LinkToken(String);

impl LinkToken {
    pub(crate) fn generate() -> Result<Self, Fault> {
        Ok(Self(URL_SAFE_NO_PAD.encode(secrets::random::<RANDOM>()?)))
    }

    /// The hash of a token that someone shows.
    ///
    /// # Errors
    /// `link.invalid` for a text that cannot be one.
    pub(crate) fn hash_of(text: &str) -> Result<[u8; 32], Fault> {
        let random = URL_SAFE_NO_PAD.decode(text).ok().filter(|random| random.len() == RANDOM);
        random.map(|_| secrets::sha256(text)).ok_or_else(|| Fault::new(Code::LinkInvalid))
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        secrets::sha256(&self.0)
    }

    pub(crate) fn link(self, page: Page) -> Link {
        Link { page, token: self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_read_back_and_other_texts_are_no_tokens() {
        let made = LinkToken::generate().unwrap();
        let hash = made.hash();
        assert_eq!(LinkToken::hash_of(&made.link(Page::Invitation).token).unwrap(), hash);
        let long = "A".repeat(44);
        for text in
            ["", "abc", "\0", long.as_str(), "=", "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8"]
        {
            assert_eq!(LinkToken::hash_of(text).unwrap_err().code(), Code::LinkInvalid, "{text:?}");
        }
    }
}
