//! What a token that its holder keeps looks like: `<prefix>_<id>_<secret>_<checksum>`, with the prefix
//! `ypt` for API tokens and `rt` for refresh tokens.
//!
//! The prefix lets scanners for leaked secrets find it, the checksum lets anybody tell a token from
//! noise, and us refuse a mistyped one without asking the database. Everything is base62, so that a
//! double click selects the whole.

use uuid::Uuid;
use yard_fault::Fault;

use crate::secrets;

/// Begins an API token.
pub(crate) const API_TOKEN: &str = "ypt_";
/// Begins a refresh token.
pub(crate) const REFRESH_TOKEN: &str = "rt_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 128 bits in base62.
const ID_DIGITS: usize = 22;
/// 43 random digits are 256 bits.
const SECRET_DIGITS: usize = 43;
/// 32 bits in base62.
const CHECK_DIGITS: usize = 6;

/// A token as its holder has it. Shown once, never stored.
pub(crate) struct TokenText {
    text: String,
    id: Uuid,
}

impl TokenText {
    pub(crate) fn generate(prefix: &str, id: Uuid) -> Result<Self, Fault> {
        let secret = random_digits()?;
        let body = format!("{prefix}{}_{secret}", digits(id.as_u128(), ID_DIGITS));
        let check = digits(u128::from(checksum(&body)), CHECK_DIGITS);
        Ok(Self { text: format!("{body}_{check}"), id })
    }

    /// `None` for a text that cannot be one of ours.
    pub(crate) fn parse(prefix: &str, text: &str) -> Option<Self> {
        let (body, check) = text.rsplit_once('_')?;
        let (id, secret) = body.strip_prefix(prefix)?.split_once('_')?;
        let well_formed = secret.len() == SECRET_DIGITS
            && secret.bytes().all(|byte| ALPHABET.contains(&byte))
            && check == digits(u128::from(checksum(body)), CHECK_DIGITS);
        let id = number(id).filter(|_| well_formed && id.len() == ID_DIGITS)?;
        Some(Self { text: text.to_owned(), id: Uuid::from_u128(id) })
    }

    pub(crate) const fn id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        secrets::sha256(&self.text)
    }
}

/// Evenly drawn: bytes above the last multiple of 62 are drawn again.
fn random_digits() -> Result<String, Fault> {
    let mut text = String::with_capacity(SECRET_DIGITS);
    while text.len() < SECRET_DIGITS {
        let bytes = secrets::random::<64>()?;
        let even = bytes.iter().filter(|byte| **byte < 248);
        let drawn = even.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        text.extend(drawn.map(|digit| char::from(*digit)).take(SECRET_DIGITS - text.len()));
    }
    Ok(text)
}

/// A number in so many digits of base62, the highest first.
fn digits(mut number: u128, length: usize) -> String {
    let mut text = vec![b'0'; length];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
        number /= 62;
    }
    text.into_iter().map(char::from).collect()
}

fn number(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |number, byte| {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        number.checked_mul(62)?.checked_add(digit as u128)
    })
}

/// CRC-32 (IEEE 802.3).
fn checksum(text: &str) -> u32 {
    !text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            let carry = 0_u32.wrapping_sub(crc & 1);
            (crc >> 1) ^ (0xedb8_8320 & carry)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn checksum_is_the_published_one() {
        assert_eq!(checksum("123456789"), 0xcbf4_3926);
    }

    #[test]
    fn token_is_read_back_and_never_repeats() {
        let id = Uuid::from_u128(u128::MAX);
        let (one, two) = (
            TokenText::generate(API_TOKEN, id).unwrap(),
            TokenText::generate(API_TOKEN, id).unwrap(),
        );
        assert_eq!(one.expose().len(), 4 + ID_DIGITS + 1 + SECRET_DIGITS + 1 + CHECK_DIGITS);
        assert_ne!(one.hash(), two.hash());
        let read = TokenText::parse(API_TOKEN, one.expose()).unwrap();
        assert_eq!((read.id(), read.hash()), (id, one.hash()));
    }

    #[test]
    fn mistyped_token_is_refused_by_itself() {
        let good = TokenText::generate(API_TOKEN, Uuid::from_u128(7)).unwrap();
        for at in 0..good.expose().len() {
            let mut text = good.expose().as_bytes().to_vec();
            text[at] = if text[at] == b'x' { b'y' } else { b'x' };
            let text = String::from_utf8(text).unwrap();
            assert!(TokenText::parse(API_TOKEN, &text).is_none(), "{text}");
            assert!(
                TokenText::parse(API_TOKEN, good.expose().get(..at).unwrap()).is_none(),
                "{at}"
            );
        }
        for text in ["", "ypt_", "ypt___", "yst_x", "ypt_é_é_é"] {
            assert!(TokenText::parse(API_TOKEN, text).is_none(), "{text}");
        }
    }

    #[test]
    fn token_of_another_kind_is_none_of_this() {
        let refresh = TokenText::generate(REFRESH_TOKEN, Uuid::from_u128(7)).unwrap();
        assert!(refresh.expose().starts_with("rt_"));
        assert!(TokenText::parse(REFRESH_TOKEN, refresh.expose()).is_some());
        assert!(TokenText::parse(API_TOKEN, refresh.expose()).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn parser_takes_nothing_that_was_not_made_here(text in "(ypt_)?[0-9A-Za-z_é.]{0,90}") {
            prop_assert!(TokenText::parse(API_TOKEN, &text).is_none());
        }

        #[test]
        fn id_of_any_value_comes_back(value in any::<u128>()) {
            prop_assert_eq!(number(&digits(value, ID_DIGITS)), Some(value));
        }
    }

    #[test]
    fn damaged_tokens_are_refused() {
        let ids = [Uuid::from_u128(7), Uuid::from_u128(u128::MAX), Uuid::nil()];
        let good = ids.map(|id| TokenText::generate(API_TOKEN, id).unwrap().expose().to_owned());
        let inputs = good.clone().map(String::into_bytes);
        yard_testkit::hammer(&inputs, 10_000, |input| {
            let text = String::from_utf8_lossy(input);
            if TokenText::parse(API_TOKEN, &text).is_some() {
                assert!(good.iter().any(|good| *good == text), "{text}");
            }
        });
    }
}
