//! What a provider's ID token has to be.

use super::*;

#[tokio::test]
async fn every_wrong_token_is_refused() {
    let party = Party::start().await;
    let now = party.auth.clock.now().unix_timestamp();
    let long = "x".repeat(256);
    for claims in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", party.provider.issuer)}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"aud": []}),
        json!({"aud": ["other"]}),
        json!({"aud": [CLIENT, "other"]}),
        json!({"azp": "other"}),
        json!({"aud": [CLIENT, "other"], "azp": "other"}),
        json!({"nonce": "other"}),
        json!({"nonce": null}),
        json!({"exp": now - 30}),
        json!({"exp": null}),
        json!({"exp": "soon"}),
        json!({"iat": now + 31}),
        json!({"iat": now - 601}),
        json!({"iat": null}),
        json!({"nbf": now + 31}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": long}),
        json!({"sub": 7}),
    ] {
        party.say(|script| script.claims = claims.clone());
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused), "{claims}");
    }
    for claims in [
        json!({"aud": [CLIENT]}),
        json!({"aud": [CLIENT, "other"], "azp": CLIENT}),
        json!({"exp": now - 29}),
        json!({"iat": now + 30}),
        json!({"iat": now - 600}),
    ] {
        party.say(|script| script.claims = claims.clone());
        assert!(party.sign_in().await.is_ok(), "{claims}");
    }
    party.say(|script| script.claims = json!({}));
    let unknown = Header { kid: Some("k2".to_owned()), ..header(Algorithm::EdDSA) };
    let not_ours = Header { kid: Some("k0".to_owned()), ..header(Algorithm::EdDSA) };
    for header in [header(Algorithm::HS256), unknown, not_ours] {
        party.say(|script| script.header = header.clone());
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused), "{header:?}");
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn new_key_is_looked_for_at_most_every_thirty_seconds() {
    let party = Party::start().await;
    party.sign_in().await.unwrap();
    let unknown = Header { kid: Some("k2".to_owned()), ..header(Algorithm::EdDSA) };
    party.say(|script| script.header = unknown);
    for _ in 0..5 {
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    }
    assert_eq!(party.script.lock().unwrap().key_reads, 1);
    party.auth.clock.advance(Duration::seconds(30));
    for _ in 0..5 {
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    }
    assert_eq!(party.script.lock().unwrap().key_reads, 2);
    party.auth.finish().await;
}

/// Ways to make a token without the provider's key; the last one has it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Forgery {
    None,
    PublicKeyAsSecret,
    AnothersKey,
    OtherClaims,
    Genuine,
}

impl Forgery {
    const ALL: [Self; 5] =
        [Self::None, Self::PublicKeyAsSecret, Self::AnothersKey, Self::OtherClaims, Self::Genuine];

    fn token(self, key: &[u8], claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = |algorithm, key: &EncodingKey| {
            jsonwebtoken::encode(&header(algorithm), claims, key).unwrap()
        };
        let genuine = || signed(Algorithm::EdDSA, &EncodingKey::from_ed_der(key));
        match self {
            Self::None => {
                format!("{}.{}.", part(&json!({"alg": "none", "kid": "k1"})), part(claims))
            }
            Self::PublicKeyAsSecret => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).unwrap();
                let secret = EncodingKey::from_secret(pair.public_key().as_ref());
                signed(Algorithm::HS256, &secret)
            }
            Self::AnothersKey => signed(Algorithm::EdDSA, &EncodingKey::from_ed_der(&new_key())),
            Self::OtherClaims => {
                let changed = part(&merge(claims.clone(), &json!({"sub": "u2"})));
                let genuine = genuine();
                let parts: Vec<&str> = genuine.split('.').collect();
                format!("{}.{changed}.{}", parts[0], parts[2])
            }
            Self::Genuine => genuine(),
        }
    }
}

#[tokio::test]
async fn forged_token_is_refused() {
    let party = Party::start().await;
    for forgery in Forgery::ALL {
        let answer = party.begin().await;
        let now = party.auth.clock.now().unix_timestamp();
        party.say(|script| {
            let claims = json!({
                "iss": script.issuer, "aud": CLIENT, "sub": "u1", "nonce": script.nonce,
                "iat": now, "exp": now + 300,
                "email": "new@acme.example", "email_verified": true,
            });
            script.raw = Some(forgery.token(&script.key, &claims));
        });
        let refused = party.complete(answer).await.err();
        let expected = (forgery != Forgery::Genuine).then_some(Code::FederationRefused);
        assert_eq!(refused, expected, "{forgery:?}");
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn key_that_the_provider_has_changed_is_found() {
    let party = Party::start().await;
    party.sign_in().await.unwrap();
    party.say(|script| {
        (script.key, script.kid) = (new_key(), "k2".to_owned());
        script.header.kid = Some("k2".to_owned());
    });
    party.auth.clock.advance(Duration::seconds(30));
    party.sign_in().await.unwrap();
    assert_eq!(party.script.lock().unwrap().key_reads, 2);
    // The old one is forgotten with it.
    party.say(|script| script.header.kid = Some("k1".to_owned()));
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.auth.finish().await;
}

#[tokio::test]
async fn hash_of_the_access_token_is_held_to_where_it_is_said() {
    let party = Party::start().await;
    for said in [json!("of another"), json!(""), json!(7), json!(null)] {
        party.say(|script| script.claims = json!({"at_hash": said}));
        let refused = party.sign_in().await.err();
        // Null takes the claim out.
        let expected = (!said.is_null()).then_some(Code::FederationRefused);
        assert_eq!(refused, expected, "{said}");
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, b"x");
    let right = URL_SAFE_NO_PAD.encode(&digest.as_ref()[..32]);
    party.say(|script| script.claims = json!({"at_hash": right}));
    assert!(party.sign_in().await.is_ok());
    party.auth.finish().await;
}
