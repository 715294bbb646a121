//! Codes of authenticator apps: RFC 6238 with SHA-1, six digits and steps of 30 seconds, which is
//! what every app can do.

use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE32_NOPAD;
use time::OffsetDateTime;

/// Bytes of a secret, as RFC 4226 recommends.
pub(super) const SECRET: usize = 20;

const STEP: i64 = 30;
const DIGITS: usize = 6;
/// Steps that a device's clock may be away.
const APART: i64 = 1;

/// The newest step around `now` that the code belongs to. All steps are tried, whatever is found.
pub(super) fn step_of(secret: &[u8], code: &str, now: OffsetDateTime) -> Option<i64> {
    let current = now.unix_timestamp().div_euclid(STEP);
    let well_formed = code.len() == DIGITS && code.bytes().all(|b| b.is_ascii_digit());
    let mut found = None;
    for step in current.saturating_sub(APART)..=current.saturating_add(APART) {
        let right = code_at(secret, step);
        if constant_time::verify_slices_are_equal(right.as_bytes(), code.as_bytes()).is_ok() {
            found = Some(step);
        }
    }
    found.filter(|_| well_formed)
}

/// The code of one step.
pub(super) fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226, 5.3: the last four bits say where the number begins.
    let at = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let number = tag.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    let number = u32::from_be_bytes(number) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// As apps take it by hand.
pub(super) fn in_base32(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// As apps take it by QR code.
pub(super) fn uri(issuer: &str, account: &str, secret: &[u8]) -> String {
    let (issuer, account) = (escaped(issuer), escaped(account));
    let secret = in_base32(secret);
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1: the last six of the eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(RFC, seconds / 30), code);
            assert_eq!(step_of(RFC, code, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn code_is_taken_one_step_early_and_late_and_no_further() {
        let now = 1_111_111_111;
        let step = now / 30;
        for (away, taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let found = step_of(RFC, &code_at(RFC, step + away), at(now));
            assert_eq!(found, taken.then_some(step + away), "{away}");
        }
    }

    #[test]
    fn text_that_is_no_code_is_never_taken() {
        for text in ["", "05047", "0504710", "05047a", "+50471", "٠٥٠٤٧١", " 050471", "050471\0"]
        {
            assert_eq!(step_of(RFC, text, at(1_111_111_111)), None, "{text:?}");
        }
    }

    #[test]
    fn uri_escapes_what_would_end_it() {
        let uri = uri("Acme & Söhne", "a+b@example.org", RFC);
        assert_eq!(
            uri,
            "otpauth://totp/Acme%20%26%20S%C3%B6hne:a%2Bb%40example.org\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme%20%26%20S%C3%B6hne\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
