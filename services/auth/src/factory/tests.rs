use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use time::macros::datetime;
use yard_testkit::hammer;

use super::birth::{Authority, Birth};

#[test]
fn damaged_certificates_of_manufacturers_are_refused_or_read_and_nothing_else() {
    let now = datetime!(2026-03-01 12:00 UTC);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "works");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let read = Authority::read(&ca.pem(), now).unwrap();
    assert!(Birth::read(ca.der(), now).is_none(), "no certificate of a device");
    hammer(&[ca.pem().into_bytes()], 4_000, |input| {
        drop(Authority::read(&String::from_utf8_lossy(input), now));
    });
    hammer(&[ca.der().to_vec()], 4_000, |input| {
        if let Some(birth) = Birth::read(input, now) {
            drop(birth.is_of(&read.der));
        }
    });
}
