//! What a tenant may say of a subscriber.

use time::OffsetDateTime;
use yard_contracts::aaa::v1 as wire;
use yard_contracts::values::moment;
use yard_fault::Fault;

use super::store::Subscriber;

pub(super) const LONGEST_NAME: usize = 64;
const CHANGEABLE: &str = "password, pap_only, disabled, valid_until, session_timeout_seconds, \
     idle_timeout_seconds, upload_kbps, download_kbps";

pub(super) struct Terms {
    pub(super) valid_until: Option<OffsetDateTime>,
}

fn wrong(field: &str, problem: &str) -> Fault {
    Fault::invalid(format!("{field} {problem}")).with_pointer(format!("/subscriber/{field}"))
}

/// Compared as it is: what a NAS sends is not trimmed either.
pub(super) fn user_name(text: &str) -> Result<String, Fault> {
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count());
    if fits && text.trim() == text && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    let problem = "has to be 1 to 64 characters without control characters or spaces at the ends";
    Err(wrong("user_name", problem))
}

/// ASCII, as clients of MS-CHAPv2 do not agree on how anything else is encoded.
pub(super) fn password(text: &str) -> Result<&str, Fault> {
    let plain = |b: u8| b.is_ascii_graphic() || b == b' ';
    if (8..=64).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text);
    }
    Err(wrong("password", "has to be 8 to 64 characters of ASCII"))
}

/// The end of validity, and whether the numbers are within their bounds.
pub(super) fn terms(wish: &wire::Subscriber) -> Result<Terms, Fault> {
    for (field, value, most) in [
        ("session_timeout_seconds", wish.session_timeout_seconds, 31_536_000),
        ("idle_timeout_seconds", wish.idle_timeout_seconds, 86_400),
        ("upload_kbps", wish.upload_kbps, 10_000_000),
        ("download_kbps", wish.download_kbps, 10_000_000),
    ] {
        if !(0..=most).contains(&value) {
            return Err(wrong(field, &format!("has to be 0 to {most}")));
        }
    }
    let valid_until = wish.valid_until.as_ref().map(|at| {
        moment(at).ok_or_else(|| wrong("valid_until", "has to be a time of the years 1 to 9999"))
    });
    Ok(Terms { valid_until: valid_until.transpose()? })
}

/// What a subscriber is with the change. The password is stored apart.
pub(super) fn merged(
    before: Subscriber,
    wanted: &wire::Subscriber,
    paths: &[String],
    now: OffsetDateTime,
) -> Result<Subscriber, Fault> {
    let terms = terms(wanted)?;
    let mut after = Subscriber { changed_at: Some(now), ..before };
    for path in paths {
        match path.as_str() {
            // Looked at and stored by itself.
            "password" => {}
            "pap_only" => after.pap_only = wanted.pap_only,
            "disabled" => {
                after.disabled_at = wanted.disabled.then(|| after.disabled_at.unwrap_or(now));
            }
            "valid_until" => after.valid_until = terms.valid_until,
            "session_timeout_seconds" => {
                after.session_timeout_seconds = wanted.session_timeout_seconds;
            }
            "idle_timeout_seconds" => after.idle_timeout_seconds = wanted.idle_timeout_seconds,
            "upload_kbps" => after.upload_kbps = wanted.upload_kbps,
            "download_kbps" => after.download_kbps = wanted.download_kbps,
            _ => {
                let text = format!("update_mask may name {CHANGEABLE}");
                return Err(Fault::invalid(text).with_pointer("/update_mask"));
            }
        }
    }
    let names = |field: &str| paths.iter().any(|path| path == field);
    if names("pap_only") && !names("password") {
        return Err(wrong("pap_only", "changes together with the password only"));
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_name_is_taken_whatever_it_would_mean_elsewhere() {
        let odd = ["%{User-Name}", "a\"},{\"", "'; drop table x; --", "t.1.n.2", "ä ö", "\\n"];
        assert!(odd.iter().all(|name| user_name(name).unwrap() == *name));
        assert!(user_name(&"ä".repeat(64)).is_ok());
        for wrong in ["", " a", "a ", "a\0b", "a\nb", &"a".repeat(65)] {
            assert!(user_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn password_has_eight_to_sixty_four_characters_of_ascii() {
        assert!(password("12345678").is_ok() && password(&"~".repeat(64)).is_ok());
        for wrong in ["1234567", &"a".repeat(65), "pässword", "tab\tword"] {
            assert!(password(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_are_taken_up_to_their_bounds() {
        let edge = wire::Subscriber {
            session_timeout_seconds: 31_536_000,
            idle_timeout_seconds: 86_400,
            upload_kbps: 10_000_000,
            download_kbps: 10_000_000,
            ..wire::Subscriber::default()
        };
        assert!(terms(&edge).is_ok());
        for beyond in [
            wire::Subscriber { session_timeout_seconds: 31_536_001, ..edge.clone() },
            wire::Subscriber { idle_timeout_seconds: 86_401, ..edge.clone() },
            wire::Subscriber { upload_kbps: 10_000_001, ..edge.clone() },
            wire::Subscriber { download_kbps: -1, ..edge },
        ] {
            assert!(terms(&beyond).is_err());
        }
    }
}
