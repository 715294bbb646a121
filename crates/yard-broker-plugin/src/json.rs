//! As much JSON as reports need.

use std::fmt::Write as _;

/// Adds a string with its quotes. Bytes that are not UTF-8 become U+FFFD.
pub(crate) fn string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _infallible = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_json_wants_it() {
        for (bytes, expected) in [
            (&b"device/1"[..], r#""device/1""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"a\nb\0c\x7f", "\"a\\u000ab\\u0000c\\u007f\""),
            (b"\xff", "\"\u{fffd}\""),
            ("ü→".as_bytes(), "\"ü→\""),
        ] {
            let mut out = String::new();
            string(&mut out, bytes);
            assert_eq!(out, expected);
        }
    }
}
