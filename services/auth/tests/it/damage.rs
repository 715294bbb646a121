//! Access tokens that somebody has tampered with, as every service verifies them.

use yard_authn::Verifier;
use yard_testkit::{hammer, logs};

use crate::support::Auth;

#[tokio::test]
async fn damaged_tokens_are_refused_whatever_was_done_to_them() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let person = auth.access("owner@example.org", "").await;
    let service = auth.service_token("device-ingest");
    let trust = auth.folder.join("trust.json");
    let verifier = Verifier::from_file(&trust, auth.clock.clone()).unwrap();
    let good = [person.clone().into_bytes(), service.clone().into_bytes()];
    let mut taken = 0;
    hammer(&good, 8_000, |input| {
        let text = String::from_utf8_lossy(input);
        if verifier.verify(&text).is_ok() {
            taken += 1;
            assert!(text == person || text == service, "{text}");
        }
    });
    assert!(taken >= 2, "the good ones are good");
    let long = "e".repeat(1024 * 1024);
    assert!(verifier.verify(&long).is_err());
    assert!(verifier.verify(&format!("{person}{long}")).is_err());
    auth.finish().await;
}
