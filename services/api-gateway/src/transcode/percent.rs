//! Percent-decoding that refuses what is not UTF-8 instead of repairing it.

use yard_fault::{Code, Fault};

/// Decodes one path segment.
pub(super) fn decode(text: &str) -> Result<String, Fault> {
    decoded(text, false)
}

/// The pairs of a query string or a form, where `+` is a space.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decoded(name, true)?, decoded(value, true)?))
        })
        .collect()
}

fn decoded(text: &str, plus_is_space: bool) -> Result<String, Fault> {
    let refuse = |what: &str| Fault::new(Code::RequestMalformed).with_public(what.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let code = high.zip(low).and_then(|(h, l)| u8::try_from(h * 16 + l).ok());
                code.ok_or_else(|| refuse("the address has a broken percent code"))?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_bytes| refuse("a value is not UTF-8"))?;
    if text.contains('\0') {
        return Err(refuse("a value holds a zero byte"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_plus_are_decoded() {
        let read = pairs("a=1%202&b+c=%C3%A4&d&=x").unwrap();
        let expected = [("a", "1 2"), ("b c", "ä"), ("d", ""), ("", "x")];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(decode("a+b%2Fc").unwrap(), "a+b/c");
    }

    #[test]
    fn broken_codes_and_invalid_utf8_are_malformed() {
        for text in ["%", "%4", "%zz", "%ff", "%c3%28", "%00"] {
            assert_eq!(decode(text).unwrap_err().code(), Code::RequestMalformed, "{text}");
        }
    }
}
