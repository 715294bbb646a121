//! The ID token (OpenID Connect Core section 3.1.3.7).

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use time::OffsetDateTime;
use yard_fault::{Code, Fault};

const LONGEST: usize = 16 * 1024;
const LONGEST_SUBJECT: usize = 255;
/// How far the provider's clock may be from ours, seconds.
const CLOCKS_APART: i64 = 30;
/// A token that is older was not made for this sign-in, seconds.
const OLDEST: i64 = 600;
/// No algorithm with a shared secret: then every client of the issuer could make tokens.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What the token has to be about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'e> {
    pub(super) issuer: &'e str,
    pub(super) client_id: &'e str,
    pub(super) nonce: &'e str,
    /// What came beside it.
    pub(super) access_token: &'e str,
    pub(super) now: OffsetDateTime,
}

/// Who somebody is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) subject: String,
    /// When they proved it to the provider; 1970 where it does not say, which is recent for nothing.
    pub(super) auth_time: OffsetDateTime,
    pub(super) amr: Vec<String>,
    pub(super) claims: Value,
}

/// The key that a token names, and its algorithm; `None` for a token that is not looked at. One that
/// says that something of it has to be understood says so of what we do not know.
pub(super) fn header(token: &str) -> Option<(Algorithm, Option<String>)> {
    if token.len() > LONGEST {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    let usable = ALGORITHMS.contains(&header.alg) && header.crit.is_none();
    usable.then_some((header.alg, header.kid))
}

/// Whether a key is of the kind that an algorithm needs, and for no other by its own word.
pub(super) fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => matches!(
            algorithm,
            Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512
        ),
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => algorithm == Algorithm::ES256,
            EllipticCurve::P384 => algorithm == Algorithm::ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(okp) => {
            okp.curve == EllipticCurve::Ed25519 && algorithm == Algorithm::EdDSA
        }
        _ => false,
    };
    let own = key.common.key_algorithm;
    kind && own.is_none_or(|own| own.to_string() == format!("{algorithm:?}"))
}

/// Verifies a token by a key that [`fits`].
///
/// # Errors
/// `federation.refused` with what is wrong, for the log.
pub(super) fn verify(
    token: &str,
    algorithm: Algorithm,
    key: &Jwk,
    expected: Expected<'_>,
) -> Result<Identity, Fault> {
    let wrong = |what: &'static str| refused(what);
    let key = DecodingKey::from_jwk(key).map_err(|e| wrong("key").with_source(e))?;
    // Claims are compared below, on our clock.
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Value>(token, &key, &rules);
    let claims = decoded.map_err(|e| wrong("it does not verify").with_source(e))?.claims;
    check(&claims, expected)?;
    if let Some(hash) = claims.get("at_hash")
        && *hash != at_hash(algorithm, expected.access_token)
    {
        return Err(wrong("at_hash"));
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let subject = text("sub").filter(|sub| (1..=LONGEST_SUBJECT).contains(&sub.len()));
    let subject = subject.filter(|sub| !sub.contains('\0')).ok_or_else(|| wrong("sub"))?;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let at = number("auth_time").unwrap_or_default();
    let auth_time = OffsetDateTime::from_unix_timestamp(at).map_err(|_e| wrong("auth_time"))?;
    let auth_time = auth_time.clamp(OffsetDateTime::UNIX_EPOCH, expected.now);
    Ok(Identity { subject: subject.to_owned(), auth_time, amr: amr(&claims), claims })
}

/// The left half of the access token's hash (section 3.1.3.6).
fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    let by = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &SHA512,
        _ => &SHA256,
    };
    let hash = digest::digest(by, access_token.as_bytes());
    let (left, _right) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

fn check(claims: &Value, expected: Expected<'_>) -> Result<(), Fault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    if text("iss") != Some(expected.issuer) {
        return Err(refused("iss"));
    }
    let (own, others) = match claims.get("aud") {
        Some(Value::String(one)) => (one == expected.client_id, false),
        Some(Value::Array(all)) => (all.iter().any(|one| one == expected.client_id), all.len() > 1),
        _ => (false, false),
    };
    let party = claims.get("azp");
    let azp = party.map_or(!others, |party| party == expected.client_id);
    if !own || !azp {
        return Err(refused("aud or azp"));
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(refused("nonce"));
    }
    let now = expected.now.unix_timestamp();
    let lives = number("exp").is_some_and(|exp| exp > now - CLOCKS_APART);
    let begun = number("iat").is_some_and(|iat| (now - OLDEST..=now + CLOCKS_APART).contains(&iat));
    let early = number("nbf").is_some_and(|nbf| nbf > now + CLOCKS_APART);
    if lives && begun && !early { Ok(()) } else { Err(refused("its time")) }
}

/// As the token says (RFC 8176), bounded; `fed` says that it is somebody else's word.
fn amr(claims: &Value) -> Vec<String> {
    let said = claims.get("amr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let plain = |mark: &&str| {
        (1..=16).contains(&mark.len()) && mark.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let marks = said.iter().filter_map(Value::as_str).filter(plain).take(8);
    std::iter::once("fed").chain(marks).map(str::to_owned).collect()
}

pub(super) fn refused(what: &'static str) -> Fault {
    Fault::new(Code::FederationRefused).with_detail(format!("ID token: {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hash_of_the_access_token_is_that_of_the_standard() {
        // OpenID Connect Core, appendix A.3 and A.4: RS256.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(Algorithm::RS256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash(Algorithm::EdDSA, token).len(), 43);
        assert_eq!(at_hash(Algorithm::ES384, token).len(), 32);
    }

    #[test]
    fn token_that_is_not_looked_at_has_no_header() {
        let of = |header: serde_json::Value| {
            format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header.to_string()))
        };
        let good = of(json!({"alg": "RS256", "kid": "k"}));
        assert_eq!(header(&good), Some((Algorithm::RS256, Some("k".to_owned()))));
        for odd in [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": ""}),
            json!({"alg": "HS256", "kid": "k"}),
            json!({"alg": "HS512", "kid": "k"}),
            json!({"alg": "RS256", "crit": ["exp"]}),
            json!({"alg": "RS256", "crit": []}),
            json!({}),
        ] {
            assert_eq!(header(&of(odd.clone())), None, "{odd}");
        }
        for odd in ["", "a", "..", "e30.e30", &format!("{good}{}", "A".repeat(LONGEST))] {
            assert_eq!(header(odd), None);
        }
    }

    #[test]
    fn marks_are_ours_first_and_few() {
        let many: Vec<_> = (0..20).map(|i| format!("m{i}")).collect();
        let marks = amr(&json!({"amr": many}));
        assert_eq!((marks.len(), marks[0].as_str(), marks[1].as_str()), (9, "fed", "m0"));
        for odd in [json!({}), json!({"amr": "mfa"}), json!({"amr": ["a b", "", 7]})] {
            assert_eq!(amr(&odd), ["fed"], "{odd}");
        }
    }

    #[test]
    fn key_is_for_its_own_algorithm() {
        let key = |json| serde_json::from_value::<Jwk>(json).unwrap();
        let rsa = key(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}));
        assert!(fits(&rsa, Algorithm::RS256) && fits(&rsa, Algorithm::PS512));
        assert!(!fits(&rsa, Algorithm::ES256) && !fits(&rsa, Algorithm::EdDSA));
        let one = key(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS256"}));
        assert!(fits(&one, Algorithm::RS256) && !fits(&one, Algorithm::PS256));
        let secret = key(json!({"kty": "oct", "k": "AQAB", "alg": "HS256"}));
        assert!(ALGORITHMS.iter().all(|&algorithm| !fits(&secret, algorithm)));
    }
}
