use rcgen::{
    BasicConstraints, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
};
use time::macros::datetime;
use x509_parser::extensions::ParsedExtension;
use x509_parser::parse_x509_crl;
use x509_parser::pem::{Pem, parse_x509_pem};
use yard_fault::{Classify as _, Code};

use super::csr::CsrError;
use super::*;

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00:00.5 UTC);

/// A 2048-bit RSA request, made once with OpenSSL; RSA keys take seconds to make.
const RSA_REQUEST: &str = include_str!("../../tests/it/rsa-request.pem");

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "device CA of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn ca_of(params: &CertificateParams) -> Result<DeviceCa, ConfigError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    DeviceCa::new(Authority::new(&ACTIVE, &pem, &key.serialize_pem(), NOW)?, Vec::new(), names())
}

fn authority(options: &authority::Options, name: &str) -> Authority {
    let mut params = ca_params();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority::new(options, &pem, &key.serialize_pem(), NOW).unwrap()
}

#[test]
fn two_cas_are_trusted_and_one_signs_and_each_lists_its_own() {
    let (device, tenant) = ids();
    let (new, old) = (authority(&ACTIVE, "new CA"), authority(&RETIRING, "old CA"));
    let (new_id, old_id) = (new.key_id_text.clone(), old.key_id_text.clone());
    let ca = DeviceCa::new(new, vec![old], names()).unwrap();
    assert_eq!(Pem::iter_from_buffer(ca.pem().as_bytes()).count(), 2);
    assert_eq!(ca.authorities().len(), 2);
    let key = DeviceKey::of_request(&p256_request()).unwrap();
    let issued = ca.issue(&key, device, tenant, NOW).unwrap();
    assert_eq!(issued.authority.as_deref(), Some(new_id.as_str()));
    let (_, block) = parse_x509_pem(issued.pem.as_bytes()).unwrap();
    assert_eq!(block.parse_x509().unwrap().issuer().to_string(), "CN=new CA");

    let revoked = |digit: char, authority: Option<&String>| Revoked {
        serial: digit.to_string().repeat(32),
        at: NOW,
        authority: authority.cloned(),
    };
    let revoked = [revoked('5', Some(&new_id)), revoked('6', Some(&old_id)), revoked('7', None)];
    let lists = ca.sign_list(9, &revoked, NOW).unwrap().pem;
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(lists.as_bytes()).map(Result::unwrap) {
        let (_, list) = parse_x509_crl(&block.contents).unwrap();
        assert_eq!(list.crl_number().unwrap().to_string(), "9");
        let serials: Vec<_> =
            list.iter_revoked_certificates().map(|r| secrets::hex(r.raw_serial())).collect();
        found.push((list.issuer().to_string(), serials));
    }
    let serials = |digits: [char; 2]| digits.map(|digit| digit.to_string().repeat(32)).to_vec();
    let expected = [("CN=new CA", serials(['5', '7'])), ("CN=old CA", serials(['6', '7']))];
    assert_eq!(found, expected.map(|(name, serials)| (name.to_owned(), serials)));

    let twins = vec![authority(&PENDING, "same")];
    let problem = DeviceCa::new(authority(&ACTIVE, "same"), twins, names()).err().unwrap();
    assert!(problem.to_string().contains("same name"), "{problem}");
}

fn names() -> Names {
    let list_url = "http://lists.example/device-ca.pem".to_owned();
    Names { trust_domain: "yard.example".to_owned(), list_url }
}

fn request(key: &KeyPair) -> String {
    CertificateParams::default().serialize_request(key).unwrap().pem().unwrap()
}

fn p256_request() -> String {
    request(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
}

fn ids() -> (DeviceId, TenantId) {
    (
        "0190a6f2-7c2a-7b52-9c11-000000000002".parse().unwrap(),
        "0190a6f2-7c2a-7b52-9c11-000000000001".parse().unwrap(),
    )
}

#[test]
fn certificate_has_the_stated_profile() {
    let (device, tenant) = ids();
    let ca = ca_of(&ca_params()).unwrap();
    // The request asks for another name and for a CA; neither is given.
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let asked = ca_params().serialize_request(&key).unwrap().pem().unwrap();
    let issued = ca.issue(&DeviceKey::of_request(&asked).unwrap(), device, tenant, NOW).unwrap();

    let (_, block) = parse_x509_pem(issued.pem.as_bytes()).unwrap();
    let certificate = block.parse_x509().unwrap();
    let (_, ca_block) = parse_x509_pem(ca.pem().as_bytes()).unwrap();
    let ca_certificate = ca_block.parse_x509().unwrap();
    certificate.verify_signature(Some(ca_certificate.public_key())).unwrap();
    assert_eq!(certificate.issuer(), ca_certificate.subject());
    assert_eq!(certificate.subject().to_string(), format!("O={tenant}, CN={device}"));
    let san = certificate.subject_alternative_name().unwrap().unwrap();
    let uri = format!("URI(spiffe://yard.example/t/{tenant}/d/{device})");
    assert_eq!(san.value.general_names.len(), 1);
    assert_eq!(san.value.general_names[0].to_string(), uri);
    assert!(!certificate.is_ca());
    let usage = certificate.key_usage().unwrap().unwrap();
    assert_eq!((usage.critical, usage.value.flags), (true, 1));
    let extended = certificate.extended_key_usage().unwrap().unwrap();
    assert!(extended.value.client_auth && !extended.value.server_auth && !extended.value.any);
    assert_eq!(certificate.public_key().subject_public_key.data, key.public_key_raw());
    assert_eq!(certificate.validity().not_before.to_datetime(), datetime!(2026-03-01 11:55 UTC));
    assert_eq!(certificate.validity().not_after.to_datetime(), datetime!(2026-05-30 12:00 UTC));
    assert_eq!(certificate.raw_serial().len(), 16);
    assert_eq!(secrets::hex(certificate.raw_serial()), issued.serial);
}

/// The profile's extensions, one by one: which there are, whether they are critical, what they say.
#[test]
fn certificate_has_the_profiles_extensions_and_no_other() {
    let (device, tenant) = ids();
    let issue = |ca: &DeviceCa| {
        let key = DeviceKey::of_request(&p256_request()).unwrap();
        let issued = ca.issue(&key, device, tenant, NOW).unwrap();
        parse_x509_pem(issued.pem.as_bytes()).unwrap().1.contents
    };
    let ca = ca_of(&ca_params()).unwrap();
    let der = issue(&ca);
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    let mut found: Vec<(String, bool, String)> = Vec::new();
    for extension in certificate.extensions() {
        let says = match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                assert_eq!(id.key_identifier.as_ref().unwrap().0, ca.active.key_id);
                "authority key".to_owned()
            }
            ParsedExtension::SubjectAlternativeName(names) => names.general_names[0].to_string(),
            ParsedExtension::KeyUsage(usage) => usage.to_string(),
            ParsedExtension::ExtendedKeyUsage(usage) => format!("client {}", usage.client_auth),
            ParsedExtension::CRLDistributionPoints(points) => {
                assert_eq!(points.points.len(), 1);
                "list".to_owned()
            }
            ParsedExtension::SubjectKeyIdentifier(_) => "subject key".to_owned(),
            ParsedExtension::BasicConstraints(basic) => format!("ca {}", basic.ca),
            other => unreachable!("no part of the profile: {other:?}"),
        };
        found.push((extension.oid.to_id_string(), extension.critical, says));
    }
    found.sort();
    let uri = format!("URI(spiffe://yard.example/t/{tenant}/d/{device})");
    let expected: [(&str, bool, &str); 7] = [
        ("2.5.29.14", false, "subject key"),
        ("2.5.29.15", true, "Digital Signature"),
        ("2.5.29.17", false, &uri),
        ("2.5.29.19", true, "ca false"),
        ("2.5.29.31", false, "list"),
        ("2.5.29.35", false, "authority key"),
        ("2.5.29.37", false, "client true"),
    ];
    let expected =
        expected.map(|(oid, critical, says)| (oid.to_owned(), critical, says.to_owned()));
    assert_eq!(found, expected);
    assert!(String::from_utf8_lossy(&der).contains("http://lists.example/device-ca.pem"));
}

#[test]
fn serials_are_random_positive_and_never_the_same() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1_000 {
        let serial = serial().unwrap();
        assert!(serial[0] & 0xc0 == 0x40, "16 octets, positive");
        assert!(seen.insert(serial));
    }
}

#[test]
fn fingerprint_is_of_the_key_and_not_of_the_request() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let of = |params: CertificateParams| {
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        *DeviceKey::of_request(&pem).unwrap().fingerprint()
    };
    assert_eq!(of(CertificateParams::default()), of(ca_params()));
    assert_ne!(of(ca_params()), *DeviceKey::of_request(&p256_request()).unwrap().fingerprint());
}

#[test]
fn certificate_never_outlives_its_ca() {
    let (device, tenant) = ids();
    let mut params = ca_params();
    params.not_after = datetime!(2026-04-01 0:00 UTC);
    let key = DeviceKey::of_request(&p256_request()).unwrap();
    let issued = ca_of(&params).unwrap().issue(&key, device, tenant, NOW).unwrap();
    assert_eq!(issued.not_after, params.not_after);
}

#[test]
fn request_that_is_not_acceptable_is_refused_with_its_reason() {
    let refused = |pem: &str| DeviceKey::of_request(pem).unwrap_err();
    let p384 = request(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
    let ed25519 = request(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
    assert_eq!(refused(RSA_REQUEST), CsrError::Key);
    assert_eq!(refused(&p384), CsrError::Key);
    assert_eq!(refused(&ed25519), CsrError::Key);
    assert_eq!(refused(&"-".repeat(8 * 1024 + 1)), CsrError::TooLarge);
    let certificate = ca_of(&ca_params()).unwrap().pem();
    let relabelled = certificate.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    let broken = "-----BEGIN CERTIFICATE REQUEST-----\n!!\n-----END CERTIFICATE REQUEST-----\n";
    for garbage in ["", "\0\u{1F512}", &certificate, &relabelled, broken] {
        assert_eq!(refused(garbage), CsrError::Unreadable, "{garbage:?}");
    }
    assert_eq!(refused("").into_fault().code(), Code::EnrollmentCsrInvalid);
}

#[test]
fn request_signed_by_another_key_is_refused() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let mut der = request.der().to_vec();
    // The key's last byte: everything still parses, but the signature is another key's.
    let at = der.windows(65).position(|w| w == key.public_key_raw()).unwrap() + 64;
    der[at] ^= 1;
    let pem = pem_of("CERTIFICATE REQUEST", &der);
    assert_eq!(DeviceKey::of_request(&pem).unwrap_err(), CsrError::Signature);
}

#[test]
fn ca_that_could_not_sign_is_refused_at_start() {
    let mut no_list = ca_params();
    no_list.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let mut leaf = ca_params();
    leaf.is_ca = IsCa::ExplicitNoCa;
    let mut expired = ca_params();
    expired.not_after = NOW - Duration::days(1);
    for params in [no_list, leaf, expired] {
        let problem = ca_of(&params).err().unwrap().to_string();
        assert!(problem.contains("device_ca.cert_file"), "{problem}");
    }
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = ca_of(&ca_params()).unwrap().pem();
    let problem = Authority::new(&ACTIVE, &pem, &other.serialize_pem(), NOW).err().unwrap();
    let problem = problem.to_string();
    assert!(problem.contains("does not belong"), "{problem}");
}

#[test]
fn list_holds_the_revoked_serials_its_number_and_the_cas_key_id() {
    let ca = ca_of(&ca_params()).unwrap();
    let serial = secrets::hex(&serial().unwrap());
    let revoked = [Revoked { serial: serial.clone(), at: NOW, authority: None }];
    let list = ca.sign_list(7, &revoked, NOW).unwrap();
    let (_, block) = parse_x509_pem(list.pem.as_bytes()).unwrap();
    let (_, crl) = parse_x509_crl(&block.contents).unwrap();
    let (_, ca_block) = parse_x509_pem(ca.pem().as_bytes()).unwrap();
    crl.verify_signature(ca_block.parse_x509().unwrap().public_key()).unwrap();
    let serials: Vec<_> =
        crl.iter_revoked_certificates().map(|r| secrets::hex(r.raw_serial())).collect();
    assert_eq!(serials, [serial]);
    assert_eq!(crl.crl_number().unwrap().to_string(), "7");
    assert_eq!(crl.next_update().unwrap().timestamp(), list.next_update.unix_timestamp());
    let names_ca = crl.extensions().iter().any(|e| match e.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            id.key_identifier.as_ref().is_some_and(|id| id.0 == ca.active.key_id)
        }
        _ => false,
    });
    assert!(names_ca);
    assert!(ca.sign_list(8, &[], NOW).is_ok());
}

fn pem_of(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[test]
fn damaged_requests_are_refused_and_never_signed_for_another_key() {
    let keys: Vec<_> =
        (0..4).map(|_| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()).collect();
    let mut pems: Vec<Vec<u8>> = keys.iter().map(|key| request(key).into_bytes()).collect();
    pems.push(RSA_REQUEST.as_bytes().to_vec());
    let known: Vec<_> = pems[..4]
        .iter()
        .map(|pem| *DeviceKey::of_request(std::str::from_utf8(pem).unwrap()).unwrap().fingerprint())
        .collect();
    let mut taken = 0;
    yard_testkit::hammer(&pems, 6_000, |input| {
        let Ok(key) = DeviceKey::of_request(&String::from_utf8_lossy(input)) else { return };
        taken += 1;
        // Damage that leaves a valid request is damage around it: the key is one that signed.
        assert!(known.contains(key.fingerprint()));
    });
    assert!(taken >= 4, "the good ones are good");
    let ders: Vec<Vec<u8>> = keys
        .iter()
        .map(|key| CertificateParams::default().serialize_request(key).unwrap().der().to_vec())
        .collect();
    yard_testkit::hammer(&ders, 6_000, |input| {
        if let Ok(key) = DeviceKey::of_der(input) {
            assert!(known.contains(key.fingerprint()));
        }
    });
}
