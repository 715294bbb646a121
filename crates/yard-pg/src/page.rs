//! Keyset pages. A token is the last row's key, opaque to callers.

use yard_fault::{Code, Fault};

/// How many rows a page has: 0 means the usual number, more than `most` is refused.
///
/// # Errors
/// `request.invalid` for a negative number or one above `most`.
pub fn size(asked: i32, usual: u16, most: u16) -> Result<i64, Fault> {
    match asked {
        0 => Ok(i64::from(usual)),
        1.. if asked <= i32::from(most) => Ok(i64::from(asked)),
        _ => {
            Err(Fault::invalid(format!("page_size has to be 1 to {most}"))
                .with_pointer("/page_size"))
        }
    }
}

/// Joins the parts of a key. No part may hold a newline (names never do).
#[must_use]
pub fn token(parts: &[&str]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in parts.join("\n").bytes() {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

/// Takes a token apart into `N` parts; `None` for the first page.
///
/// # Errors
/// `page.token_invalid` for anything that [`token`] did not make.
pub fn parts<const N: usize>(token: &str) -> Result<Option<[String; N]>, Fault> {
    if token.is_empty() {
        return Ok(None);
    }
    let wrong = || Fault::new(Code::PageTokenInvalid);
    let digits = token.as_bytes();
    if digits.len() > 4_096 || !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let parts: Vec<String> = text.split('\n').map(str::to_owned).collect();
    parts.try_into().map(Some).map_err(|_parts| wrong())
}

fn byte(pair: &[u8]) -> Option<u8> {
    // `from_str_radix` takes a sign as well.
    let hex = pair.iter().all(u8::is_ascii_hexdigit).then_some(pair)?;
    std::str::from_utf8(hex).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_round_trip_and_foreign_tokens() {
        let made = token(&["pump 7", "0190a6f2"]);
        let read: Option<[String; 2]> = parts(&made).unwrap();
        assert_eq!(read, Some(["pump 7".to_owned(), "0190a6f2".to_owned()]));
        assert_eq!(parts::<1>("").unwrap(), None);
        for foreign in ["x", "zz", "0", "+1", &made] {
            assert_eq!(parts::<1>(foreign).unwrap_err().code(), Code::PageTokenInvalid);
        }
    }

    #[test]
    fn page_size_edges() {
        assert_eq!(size(0, 50, 200).unwrap(), 50);
        assert_eq!(size(200, 50, 200).unwrap(), 200);
        assert!(size(201, 50, 200).is_err());
        assert!(size(-1, 50, 200).is_err());
    }
}
