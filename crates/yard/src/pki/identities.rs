//! Ed25519 keys with which services and auth's issuer sign tokens, and the trust file that names
//! their public halves.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;

use super::files::KeyFiles;
use crate::failure::{Failure, Outcome};

/// The six services, as `service:<name>` in the trust file.
const SERVICES: [&str; 6] =
    ["api-gateway", "auth", "device-ingest", "comms-websocket", "scheduler", "worker"];

/// A public key of the trust file (RFC 8037).
#[derive(Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    r#use: &'static str,
    alg: &'static str,
}

#[derive(Serialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

struct SigningKey {
    pem: String,
    x: String,
}

pub(super) fn add_files(files: &mut KeyFiles) -> Outcome {
    let mut keys = Vec::new();
    for service in SERVICES {
        let key = SigningKey::generate()?;
        files.add(format!("services/{service}.key"), key.pem);
        keys.push(jwk(format!("service:{service}"), key.x));
    }
    let issuer = SigningKey::generate()?;
    files.add("auth-issuer.key", issuer.pem);
    keys.push(jwk(format!("issuer:{}", thumbprint(&issuer.x)), issuer.x));
    files.add("sealing.key", sealing_key()?);
    files.add("comms-sealing.key", sealing_key()?);
    add_audit_key(files)?;
    let json = serde_json::to_string_pretty(&KeySet { keys })
        .map_err(|error| Failure::other(error.to_string()))?;
    files.add("trust.json", json + "\n");
    Ok(())
}

/// The key that signs the audit trail, and its public half for whoever verifies an export. It stays
/// out of the trust file: it speaks for nobody.
fn add_audit_key(files: &mut KeyFiles) -> Outcome {
    let key = SigningKey::generate()?;
    files.add("audit-root.key", key.pem);
    let keys = vec![jwk(format!("audit:{}", thumbprint(&key.x)), key.x)];
    let json = serde_json::to_string_pretty(&KeySet { keys })
        .map_err(|error| Failure::other(error.to_string()))?;
    files.add("audit-keys.json", json + "\n");
    Ok(())
}

/// The first key of a service's own sealing; see `yard_authn::seal`.
fn sealing_key() -> Outcome<String> {
    let mut key = [0; 32];
    rand::fill(&mut key).map_err(|_e| Failure::other("the system gives no random numbers"))?;
    Ok(format!("k1:{}\n", STANDARD.encode(key)))
}

impl SigningKey {
    fn generate() -> Outcome<Self> {
        let refused = |_unspecified| Failure::other("could not make an Ed25519 key");
        let pair = Ed25519KeyPair::generate().map_err(refused)?;
        // Version 1, without the public key: what every OpenSSL reads.
        let der = pair.to_pkcs8v1().map_err(refused)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { pem: pem("PRIVATE KEY", der.as_ref()), x })
    }
}

const fn jwk(kid: String, x: String) -> Jwk {
    Jwk { kty: "OKP", crv: "Ed25519", x, kid, r#use: "sig", alg: "EdDSA" }
}

/// RFC 7638: the hash of the required members, in order, without spaces.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::thumbprint;

    #[test]
    fn thumbprint_of_rfc_8037_example_is_the_published_one() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(thumbprint(x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
