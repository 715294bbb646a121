//! Claim codes: typed by a person into a device, so that they are short, in groups, and free of
//! letters that look like digits.

use yard_fault::Fault;

use crate::secrets;

/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUPS: usize = 4;
const GROUP: usize = 5;
const LENGTH: usize = GROUPS * GROUP;

/// A code of 100 random bits.
pub(super) struct ClaimCode([u8; LENGTH]);

impl ClaimCode {
    pub(super) fn generate() -> Result<Self, Fault> {
        // 256 is a multiple of 32: every letter is as likely as any other.
        let random = secrets::random::<LENGTH>()?;
        Ok(Self(random.map(|byte| ALPHABET[usize::from(byte % 32)])))
    }

    /// Takes what a person typed: any case, any grouping, O for 0 and I or L for 1.
    pub(super) fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 4 * LENGTH {
            return None;
        }
        let mut letters = [0; LENGTH];
        let mut count = 0;
        for typed in typed.bytes().filter(|b| !matches!(b, b'-' | b' ')) {
            let letter = match typed.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            *letters.get_mut(count).filter(|_| ALPHABET.contains(&letter))? = letter;
            count += 1;
        }
        (count == LENGTH).then_some(Self(letters))
    }

    /// In groups of five.
    pub(super) fn text(&self) -> String {
        let groups: Vec<String> =
            self.0.chunks(GROUP).map(|g| g.iter().copied().map(char::from).collect()).collect();
        groups.join("-")
    }

    /// What is stored.
    pub(super) fn hash(&self) -> [u8; 32] {
        let letters: String = self.0.iter().copied().map(char::from).collect();
        secrets::sha256(&letters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_read_back_however_it_is_typed() {
        let code = ClaimCode::generate().unwrap();
        let text = code.text();
        assert_eq!(text.len(), LENGTH + GROUPS - 1);
        let bare = text.replace('-', "");
        let look_alike = text.replace('0', "o").replace('1', "l");
        for typed in [text.clone(), text.to_lowercase(), text.replace('-', " "), bare, look_alike] {
            assert_eq!(ClaimCode::parse(&typed).unwrap().hash(), code.hash(), "{typed}");
        }
        assert_ne!(ClaimCode::generate().unwrap().hash(), code.hash());
    }

    #[test]
    fn text_that_is_no_code_is_refused() {
        let code = ClaimCode::generate().unwrap().text();
        let longer = format!("{code}0");
        let shorter = code.replace('-', "").chars().skip(1).collect::<String>();
        let dashes = "-".repeat(200);
        let accents = "\u{e9}".repeat(LENGTH);
        for typed in ["", "U", &longer, &shorter, &dashes, &accents, "0000-\0"] {
            assert!(ClaimCode::parse(typed).is_none(), "{typed:?}");
        }
    }
}
