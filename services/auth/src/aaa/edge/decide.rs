//! The decision about a subscriber. No I/O.

use time::OffsetDateTime;
use yard_authn::data_key::DataKey;
use yard_fault::Fault;

use super::asked::Proof;
use super::store::Subscriber;
use crate::aaa::subscribers::password;

/// What is done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// They are in.
    Accept(Terms),
    /// They are in if this password answers the challenge.
    Check(String, Terms),
    /// They stay out.
    Refuse(Why),
    /// It is not for us to say.
    Silence,
}

/// On which terms somebody is in; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) session_seconds: u32,
    pub(super) idle_seconds: u32,
    pub(super) upload_kbps: u32,
    pub(super) download_kbps: u32,
}

/// Why somebody stays out: counted, and told to nobody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Malformed,
    Unknown,
    WrongPassword,
    Disabled,
    Expired,
    /// A challenge for a subscriber whose password nobody can read.
    PapOnly,
    NoPassword,
    Throttled,
    TenantClosed,
}

impl Decision {
    /// As it is counted.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Accept(_) => "accepted",
            Self::Check(..) => "to_be_checked",
            Self::Silence => "unknown_nas",
            Self::Refuse(why) => match why {
                Why::Malformed => "malformed",
                Why::Unknown => "unknown_user",
                Why::WrongPassword => "wrong_password",
                Why::Disabled => "disabled",
                Why::Expired => "expired",
                Why::PapOnly => "pap_only",
                Why::NoPassword => "no_password",
                Why::Throttled => "throttled",
                Why::TenantClosed => "tenant_closed",
            },
        }
    }
}

/// Decides. A name that is not there costs as much as one that is.
pub(super) fn decide(
    proof: &Proof,
    subscriber: Option<&Subscriber>,
    key: &DataKey,
    now: OffsetDateTime,
) -> Result<Decision, Fault> {
    let proven = match proof {
        Proof::Password(given) => {
            let (id, verifier) = subscriber
                .map(|known| (known.id, known.password_verifier.as_slice()))
                .unwrap_or_default();
            password::is_right(key, id, given.as_bytes(), verifier)?
        }
        Proof::Challenge => true,
        Proof::Nothing => return Ok(Decision::Refuse(Why::NoPassword)),
    };
    let Some(known) = subscriber else { return Ok(Decision::Refuse(Why::Unknown)) };
    if !proven {
        return Ok(Decision::Refuse(Why::WrongPassword));
    }
    if known.disabled_at.is_some() {
        return Ok(Decision::Refuse(Why::Disabled));
    }
    let Some(terms) = terms(known, now) else { return Ok(Decision::Refuse(Why::Expired)) };
    if matches!(proof, Proof::Password(_)) {
        return Ok(Decision::Accept(terms));
    }
    match &known.password_sealed {
        Some(sealed) => Ok(Decision::Check(password::opened(key, known.id, sealed)?, terms)),
        None => Ok(Decision::Refuse(Why::PapOnly)),
    }
}

/// `None` when the time is over. No session outlives its subscriber.
fn terms(known: &Subscriber, now: OffsetDateTime) -> Option<Terms> {
    let own = u32::try_from(known.session_timeout_seconds).unwrap_or(0);
    let session_seconds = match known.valid_until {
        None => own,
        Some(end) => {
            // A part of a second is not worth a session.
            let left = u32::try_from((end - now).whole_seconds().min(i64::from(u32::MAX))).ok()?;
            match (left, own) {
                (0, _) => return None,
                (left, 0) => left,
                (left, own) => left.min(own),
            }
        }
    };
    let number = |value: i32| u32::try_from(value).unwrap_or(0);
    Some(Terms {
        session_seconds,
        idle_seconds: number(known.idle_timeout_seconds),
        upload_kbps: number(known.upload_kbps),
        download_kbps: number(known.download_kbps),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::datetime};
    use uuid::Uuid;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    fn key() -> DataKey {
        DataKey::of(&[7; 32]).unwrap()
    }

    fn subscriber(text: &str, pap_only: bool) -> Subscriber {
        let id = Uuid::from_u128(5);
        let stored = password::stored(&key(), id, text, pap_only).unwrap();
        Subscriber {
            id,
            password_verifier: stored.verifier.to_vec(),
            password_sealed: stored.sealed,
            disabled_at: None,
            valid_until: None,
            session_timeout_seconds: 0,
            idle_timeout_seconds: 0,
            upload_kbps: 0,
            download_kbps: 0,
        }
    }

    fn pap(text: &str) -> Proof {
        Proof::Password(text.to_owned())
    }

    fn decided(proof: &Proof, known: &Subscriber) -> Decision {
        decide(proof, Some(known), &key(), NOW).unwrap()
    }

    proptest! {
        #[test]
        fn only_the_same_octets_are_the_password(right in "[ -~]{8,64}", other in ".{0,64}") {
            let known = subscriber(&right, true);
            prop_assert!(matches!(decided(&pap(&right), &known), Decision::Accept(_)));
            let accepted = matches!(decided(&pap(&other), &known), Decision::Accept(_));
            prop_assert_eq!(accepted, right == other);
            prop_assert_eq!(decide(&pap(&right), None, &key(), NOW).unwrap(), Decision::Refuse(Why::Unknown));
        }

        #[test]
        fn no_session_outlives_its_subscriber(left in -10_i64..100_000, own in 0_i32..100_000) {
            let mut known = subscriber("12345678", true);
            known.valid_until = Some(NOW + Duration::seconds(left));
            known.session_timeout_seconds = own;
            match decided(&pap("12345678"), &known) {
                Decision::Accept(terms) => {
                    prop_assert!(left > 0 && terms.session_seconds > 0);
                    prop_assert!(i64::from(terms.session_seconds) <= left);
                    prop_assert!(own == 0 || i64::from(terms.session_seconds) <= i64::from(own));
                }
                other => prop_assert!(left <= 0 && other == Decision::Refuse(Why::Expired)),
            }
        }
    }

    #[test]
    fn challenge_is_checked_with_the_password_or_refused() {
        let Decision::Check(given, _) = decided(&Proof::Challenge, &subscriber("12345678", false))
        else {
            panic!("it is to be checked");
        };
        assert_eq!(given, "12345678");
        let refused = decided(&Proof::Challenge, &subscriber("12345678", true));
        assert_eq!(refused, Decision::Refuse(Why::PapOnly));
        let nobody = decide(&Proof::Challenge, None, &key(), NOW).unwrap();
        assert_eq!(nobody, Decision::Refuse(Why::Unknown));
        let nothing = decided(&Proof::Nothing, &subscriber("12345678", false));
        assert_eq!(nothing, Decision::Refuse(Why::NoPassword));
    }

    #[test]
    fn disabled_subscriber_stays_out_whatever_they_prove() {
        let mut known = subscriber("12345678", false);
        known.disabled_at = Some(NOW);
        for proof in [pap("12345678"), Proof::Challenge] {
            assert_eq!(decided(&proof, &known), Decision::Refuse(Why::Disabled));
        }
    }
}
