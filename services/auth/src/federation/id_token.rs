//! The ID token (OpenID Connect Core section 3.1.3.7).

use jsonwebtoken::jwk::Jwk;
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
    pub(super) now: OffsetDateTime,
}

/// Who somebody is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) subject: String,
    /// When they proved it to the provider; the token's own time where it does not say.
    pub(super) auth_time: OffsetDateTime,
    pub(super) amr: Vec<String>,
    pub(super) claims: Value,
}

/// The key that a token names, and its algorithm; `None` for a token that is not looked at.
pub(super) fn header(token: &str) -> Option<(Algorithm, Option<String>)> {
    if token.len() > LONGEST {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    ALGORITHMS.contains(&header.alg).then_some((header.alg, header.kid))
}

/// Verifies a token.
///
/// # Errors
/// `federation.token_refused` with what is wrong, for the log.
pub(super) fn verify(
    token: &str,
    algorithm: Algorithm,
    key: &Jwk,
    expected: Expected<'_>,
) -> Result<Identity, Fault> {
    let wrong = |what: &'static str| refused(what);
    if key.common.key_algorithm.is_some_and(|own| own.to_string() != format!("{algorithm:?}")) {
        return Err(wrong("its algorithm is not the key's"));
    }
    let key = DecodingKey::from_jwk(key).map_err(|e| wrong("key").with_source(e))?;
    // Claims are compared below, on our clock.
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Value>(token, &key, &rules);
    let claims = decoded.map_err(|e| wrong("it does not verify").with_source(e))?.claims;
    check(&claims, expected)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let subject = text("sub").filter(|sub| (1..=LONGEST_SUBJECT).contains(&sub.len()));
    let subject = subject.filter(|sub| !sub.contains('\0')).ok_or_else(|| wrong("sub"))?;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let at = number("auth_time").or_else(|| number("iat")).unwrap_or_default();
    let auth_time =
        OffsetDateTime::from_unix_timestamp(at).map_err(|_e| wrong("auth_time"))?.min(expected.now);
    Ok(Identity { subject: subject.to_owned(), auth_time, amr: amr(&claims), claims })
}

fn check(claims: &Value, expected: Expected<'_>) -> Result<(), Fault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    if text("iss") != Some(expected.issuer) {
        return Err(refused("iss"));
    }
    let (own, others) = match claims.get("aud") {
        Some(Value::String(one)) => (one == expected.client_id, false),
        Some(Value::Array(all)) => {
            (all.iter().any(|one| one == expected.client_id), all.len() > 1)
        }
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
    let begun = number("iat")
        .is_some_and(|iat| (now - OLDEST..=now + CLOCKS_APART).contains(&iat));
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
