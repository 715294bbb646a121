use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use x509_parser::der_parser::parse_der;
use yard_testkit::hammer;

use super::{body, caller, pkcs7};
use crate::ca::DeviceKey;

/// Inputs of each parser; they take some seconds together, unoptimised.
const INPUTS: usize = 4_000;

fn headers(value: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
    Some(headers)
}

#[test]
fn body_is_read_with_any_line_breaks_and_written_with_them() {
    let der: Vec<u8> = (0..=255).collect();
    let text = body::write(&der);
    assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("\r\n"));
    assert_eq!(body::read(text.as_bytes()).unwrap(), der);
    assert_eq!(body::read(STANDARD.encode(&der).as_bytes()).unwrap(), der);
    let spaced = text.replace('A', " A\t\n");
    assert_eq!(body::read(spaced.as_bytes()).unwrap(), der);
    for bad in ["", " \r\n", "AAA", "A", "-----BEGIN", "AA==AA==", "\u{e9}"] {
        assert!(body::read(bad.as_bytes()).is_none(), "{bad}");
    }
}

#[test]
fn lengths_of_any_size_are_der() {
    for size in [0_usize, 1, 127, 128, 255, 256, 65_535, 65_536, 100_000] {
        let inner = vec![0_u8; size];
        let made = pkcs7::certs_only(&[&inner]);
        // Zeros are no certificate, but the frame around them has to add up.
        let (rest, outer) = parse_der(&made).unwrap();
        assert!(rest.is_empty() && outer.as_sequence().unwrap().len() == 2, "{size}");
    }
    let made = pkcs7::csr_attributes();
    let (rest, attributes) = parse_der(&made).unwrap();
    assert!(rest.is_empty());
    assert_eq!(attributes.as_sequence().unwrap().len(), 2);
}

#[test]
fn claim_code_is_the_password_of_basic_and_of_nothing_else() {
    let of = |value: &str| caller::claim_code(&headers(value.as_bytes()).unwrap());
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    assert_eq!(of(&basic("device:AB-CD")).as_deref(), Some("AB-CD"));
    assert_eq!(of(&basic(":a:b")).as_deref(), Some("a:b"));
    assert_eq!(of(&basic("x:y").replace("Basic", "bAsIc")).as_deref(), Some("y"));
    let long = basic(&format!("{}:x", "u".repeat(1_024)));
    for bad in ["", "Basic", "Basic !", "Bearer eDp5", &basic("no colon"), &long] {
        assert_eq!(of(bad), None, "{bad}");
    }
    assert_eq!(caller::claim_code(&HeaderMap::new()), None);
}

#[test]
fn no_body_and_no_credentials_make_the_parsers_fail_otherwise_than_by_refusing() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let bodies = [body::write(request.der()).into_bytes(), request.pem().unwrap().into_bytes()];
    hammer(&bodies, INPUTS, |input| {
        let key = body::read(input).map(|der| DeviceKey::of_der(&der).is_ok());
        // What was damaged is hardly ever good; that it can be is what the good ones show.
        assert!(key.is_none_or(|good| !good || input.len() <= body::LARGEST));
    });
    let lines =
        [b"Basic ZGV2aWNlOkFCQ0RFLUZHSEpLLU1OUFFSLVNUVldY".to_vec(), b"Basic Og==".to_vec()];
    hammer(&lines, INPUTS, |input| {
        drop(headers(input).and_then(|headers| caller::claim_code(&headers)));
    });
}
