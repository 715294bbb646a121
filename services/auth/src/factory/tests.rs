use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use time::macros::datetime;
use yard_testkit::hammer;

use super::birth::{Authority, Birth, MAY_ENROL};

#[test]
fn usage_is_the_number_that_manufacturers_are_told() {
    let mut left = 165_645_290_285_169_141_854_963_703_474_591_441_332_u128;
    let mut digits = vec![u8::try_from(left & 0x7f).unwrap()];
    while left > 0x7f {
        left >>= 7;
        digits.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
    }
    digits.push(2 * 40 + 25);
    digits.reverse();
    assert_eq!(digits, MAY_ENROL);
}

#[test]
fn damaged_certificates_of_manufacturers_are_refused_or_read_and_nothing_else() {
    let now = datetime!(2026-03-01 12:00 UTC);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "works");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    let mut born = CertificateParams::default();
    born.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "SN-1");
    // Extended key usage: clientAuth, and the one that lets it enrol.
    let client = [0x30, 32, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2, 6, 20];
    let usages = [&client[..], MAY_ENROL].concat();
    born.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 37], usages)];
    let issuer = Issuer::from_params(&params, &ca_key);
    let born = born.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let read = Authority::read(&ca.pem(), now).unwrap();
    assert!(Birth::read(ca.der(), now).is_none(), "no certificate of a device");
    assert!(Birth::read(born.der(), now).is_some_and(|birth| birth.is_of(&read.der)));
    hammer(&[ca.pem().into_bytes()], 4_000, |input| {
        drop(Authority::read(&String::from_utf8_lossy(input), now));
    });
    hammer(&[ca.der().to_vec(), born.der().to_vec()], 4_000, |input| {
        if let Some(birth) = Birth::read(input, now) {
            std::hint::black_box(birth.is_of(&read.der));
        }
    });
}
