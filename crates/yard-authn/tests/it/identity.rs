//! A service's key that changes while everything runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use time::OffsetDateTime;
use yard_authn::{Identity, IdentityConfig, TokenError, Verifier};
use yard_ids::{IdSource as _, ManualClock, RandomIds};
use yard_runtime::Runtime;

/// Lets the service look at its files once. The tests' time is paused: this takes none.
async fn a_look() {
    tokio::time::sleep(Duration::from_secs(6)).await;
}

struct Key {
    pem: String,
    jwk: Value,
}

fn key(kid: &str) -> Key {
    let pair = Ed25519KeyPair::generate().unwrap();
    let body = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    Key {
        pem: format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
        jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid}),
    }
}

fn trust(keys: &[&Key]) -> String {
    let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// The two files of the service `worker`.
struct Files(PathBuf);

impl Files {
    fn new(key: &Key) -> Self {
        let folder = std::env::temp_dir().join(format!("yard-identity-{}", RandomIds.uuid7()));
        std::fs::create_dir(&folder).unwrap();
        let this = Self(folder);
        this.write_key(key);
        this.write_trust(&trust(&[key]));
        this
    }

    fn config(&self) -> IdentityConfig {
        IdentityConfig {
            key_file: self.0.join("worker.key"),
            trust_file: self.0.join("trust.json"),
        }
    }

    fn write_key(&self, key: &Key) {
        self.replace("worker.key", &key.pem);
    }

    fn write_trust(&self, text: &str) {
        self.replace("trust.json", text);
    }

    /// As an editor, or Kubernetes, does it: there is no moment with half a file.
    fn replace(&self, name: &str, text: &str) {
        let next = self.0.join("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, self.0.join(name)).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn runtime(clock: &Arc<ManualClock>) -> Runtime {
    Runtime::builder("worker", "0.0.0").clock(clock.clone()).build()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()))
}

#[tokio::test(start_paused = true)]
async fn req_hot_20_key_of_a_service_changes_without_a_moment_in_which_it_is_refused() {
    let (old, new, clock) = (key("service:worker"), key("service:worker"), clock());
    let files = Files::new(&old);
    let (runtime, others) = (runtime(&clock), clock.clone());
    let worker = Identity::load(&files.config(), &runtime).unwrap();
    let other = Verifier::from_json(trust(&[&old, &new]).as_bytes(), others.clone()).unwrap();
    let only = |key: &Key| Verifier::from_json(trust(&[key]).as_bytes(), others.clone()).unwrap();
    let by_old = worker.token().unwrap();
    assert!(other.verify(&by_old).is_ok());

    // Its key first: nobody is sure to know it yet, so the old one goes on.
    files.write_key(&new);
    a_look().await;
    assert!(only(&old).verify(&worker.token().unwrap()).is_ok());

    files.write_trust(&trust(&[&old, &new]));
    a_look().await;
    let by_new = worker.token().unwrap();
    assert!(only(&new).verify(&by_new).is_ok());
    for token in [&by_old, &by_new] {
        assert!(other.verify(token).is_ok());
        assert!(worker.verifier().verify(token).is_ok());
    }

    files.write_trust(&trust(&[&new]));
    a_look().await;
    let refused = worker.verifier().clone().verify(&by_old);
    assert!(matches!(refused, Err(TokenError::Unverified(_))), "{refused:?}");
    assert!(worker.verifier().verify(&by_new).is_ok());
    assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_used_change_nothing() {
    let (key, clock) = (key("service:worker"), clock());
    let files = Files::new(&key);
    let runtime = runtime(&clock);
    let worker = Identity::load(&files.config(), &runtime).unwrap();
    for broken in ["", "{}", "{\"keys\": [{}]}", &trust(&[&key, &key, &key])] {
        files.write_trust(broken);
        a_look().await;
        let token = worker.token().unwrap();
        assert!(worker.verifier().verify(&token).is_ok(), "{broken}");
    }
    assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
}

#[test]
fn service_has_at_most_two_keys() {
    let keys = [key("service:worker"), key("service:worker"), key("service:worker")];
    let read = |keys: &[&Key]| Verifier::from_json(trust(keys).as_bytes(), clock());
    assert!(read(&[&keys[0], &keys[1]]).is_ok());
    let refused = read(&[&keys[0], &keys[1], &keys[2]]).unwrap_err().to_string();
    assert!(refused.contains("service:worker"), "{refused}");
}
