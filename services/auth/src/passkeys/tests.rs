use std::sync::LazyLock;

use proptest::prelude::*;
use yard_testkit::{Answered, Authenticator, Created, KeyKind, flags, hammer};

use super::authenticator_data::AuthenticatorData;
use super::client_data::{self, Ceremony};
use super::form::{Assertion, Attestation};
use super::key::PublicKey;
use super::verify::{self, Known, Registered, Signed};
use super::{DECOY, PasskeysConfig, Refused, RelyingParty};

const CHALLENGE: [u8; 32] = [7; 32];
/// In base64url.
const SHOWN: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const KINDS: [KeyKind; 3] = [KeyKind::Es256, KeyKind::EdDsa, KeyKind::Rs256];
/// Inputs of each parser; they take some seconds together, unoptimised.
const INPUTS: usize = 4_000;

static YARD: LazyLock<RelyingParty> =
    LazyLock::new(|| PasskeysConfig::default().resolve("https://yard.example").unwrap().unwrap());

fn authenticator(kind: KeyKind) -> Authenticator {
    Authenticator::new(kind, "yard.example")
}

fn register(created: &Created) -> Result<Registered, Refused> {
    register_as(created, created.object.clone())
}

fn register_as(created: &Created, object: Vec<u8>) -> Result<Registered, Refused> {
    let client_data = created.client_data.clone();
    let answer = Attestation { client_data, object, transports: Vec::new() };
    verify::registration(&YARD, &CHALLENGE, &answer)
}

fn assert(made: &Registered, answered: Answered) -> Result<Signed, Refused> {
    let known = Known { public_key: &made.public_key, backup_eligible: made.backup_eligible };
    verify::assertion(&YARD, &CHALLENGE, &known, &assertion(answered))
}

fn assertion(answered: Answered) -> Assertion {
    let Answered { credential_id, client_data, authenticator_data, signature, user_handle } =
        answered;
    Assertion { credential_id, client_data, authenticator_data, signature, user_handle }
}

fn reason<T>(done: Result<T, Refused>) -> &'static str {
    done.err().map_or("", |Refused(reason)| reason)
}

#[test]
fn each_kind_of_key_is_registered_and_verified() {
    for kind in KINDS {
        let mut own = authenticator(kind);
        own.counter = Some(41);
        own.flags |= flags::BACKUP_ELIGIBLE;
        let created = own.create(SHOWN);
        let made = register(&created).unwrap();
        assert_eq!((made.credential_id.as_slice(), made.sign_count), (&own.credential_id[..], 41));
        assert_eq!((made.backup_eligible, made.backed_up), (true, false));
        assert!(register_as(&created, own.self_attested(&created)).is_ok(), "{kind:?}");
        own.flags |= flags::BACKED_UP;
        let signed = assert(&made, own.get(SHOWN)).unwrap();
        assert_eq!((signed.sign_count, signed.backed_up), (42, true));
        // By another key of the same kind.
        let mut other = authenticator(kind);
        other.flags = own.flags;
        assert_eq!(reason(assert(&made, other.get(SHOWN))), "wrong signature");
    }
}

#[test]
fn browser_on_another_page_or_for_another_challenge_is_refused() {
    let mut own = authenticator(KeyKind::Es256);
    let made = register(&own.create(SHOWN)).unwrap();
    for (origin, more, why) in [
        ("https://yard.example.evil", "", "another origin"),
        ("http://yard.example", "", "another origin"),
        ("https://yard.example:8443", "", "another origin"),
        ("https://www.yard.example", "", "another origin"),
        ("null", "", "another origin"),
        ("", "", "another origin"),
        (
            "https://yard.example",
            ",\"topOrigin\":\"https://yard.example\"",
            "in a frame of another origin",
        ),
        ("https://yard.example", ",\"crossOrigin\":true", "malformed client data"),
        ("https://yard.example", ",\"origin\":\"https://yard.example\"", "malformed client data"),
        ("https://yard.example", "}{", "malformed client data"),
        ("https://yard.example", ",\"new\":[1,{\"a\":null}]", ""),
    ] {
        (origin, more).clone_into_fields(&mut own);
        assert_eq!(reason(register(&own.create(SHOWN))), why, "{origin} {more}");
        assert_eq!(reason(assert(&made, own.get(SHOWN))), why, "{origin} {more}");
    }
    let mut own = authenticator(KeyKind::Es256);
    for challenge in ["", "AAAA", &format!("{SHOWN}="), &SHOWN.to_lowercase()] {
        assert_eq!(reason(register(&own.create(challenge))), "another challenge", "{challenge}");
        let answered = own.get(challenge);
        assert_eq!(reason(assert(&made, answered)), "another challenge", "{challenge}");
    }
    // What was for one ceremony is none for the other.
    let admit = |json: &[u8], ceremony| {
        reason(client_data::admit(json, ceremony, &CHALLENGE, &YARD.origins))
    };
    assert_eq!(admit(&own.get(SHOWN).client_data, Ceremony::Create), "another ceremony");
    assert_eq!(admit(&own.create(SHOWN).client_data, Ceremony::Get), "another ceremony");
    let framed = br#"{"type":"webauthn.get","challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","origin":"https://yard.example","crossOrigin":true}"#;
    assert_eq!(admit(framed, Ceremony::Get), "in a frame of another origin");
}

/// Sets a page and what its browser says more.
trait Page {
    fn clone_into_fields(self, own: &mut Authenticator);
}

impl Page for (&str, &str) {
    fn clone_into_fields(self, own: &mut Authenticator) {
        self.0.clone_into(&mut own.origin);
        self.1.clone_into(&mut own.more_client_data);
    }
}

#[test]
fn authenticator_for_another_domain_or_without_its_user_is_refused() {
    use flags::{BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED};
    let mut own = authenticator(KeyKind::EdDsa);
    let made = register(&own.create(SHOWN)).unwrap();
    for (flags, why) in [
        (USER_VERIFIED, "nobody was there"),
        (USER_PRESENT, "the user was not verified"),
        (0, "nobody was there"),
        (USER_PRESENT | USER_VERIFIED | BACKED_UP, "backed up, but not eligible"),
    ] {
        own.flags = flags;
        assert_eq!(reason(register(&own.create(SHOWN))), why);
        assert_eq!(reason(assert(&made, own.get(SHOWN))), why);
    }
    own.flags = USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE;
    let why = "another kind of credential than was registered";
    assert_eq!(reason(assert(&made, own.get(SHOWN))), why);
    let mut foreign = Authenticator::new(KeyKind::EdDsa, "evil.example");
    "https://yard.example".clone_into(&mut foreign.origin);
    assert_eq!(reason(register(&foreign.create(SHOWN))), "for another domain");
    assert_eq!(reason(assert(&made, foreign.get(SHOWN))), "for another domain");
}

#[test]
fn whatever_is_changed_after_signing_is_refused() {
    for kind in KINDS {
        let mut own = authenticator(kind);
        let made = register(&own.create(SHOWN)).unwrap();
        let answered = own.get(SHOWN);
        for at in [0, 1, answered.signature.len() / 2, answered.signature.len() - 1] {
            let mut tampered = answered.clone();
            tampered.signature[at] ^= 1;
            assert_eq!(reason(assert(&made, tampered)), "wrong signature", "{kind:?} {at}");
        }
        let mut counted = answered.clone();
        counted.authenticator_data[36] ^= 1;
        assert_eq!(reason(assert(&made, counted)), "wrong signature");
        let mut spoken = answered.clone();
        spoken.client_data.insert(1, b' ');
        assert_eq!(reason(assert(&made, spoken)), "wrong signature");
        for signature in [Vec::new(), vec![0; 64], vec![0; 256], answered.signature.repeat(2)] {
            let unsigned = Answered { signature, ..answered.clone() };
            assert_eq!(reason(assert(&made, unsigned)), "wrong signature", "{kind:?}");
        }
    }
}

#[test]
fn attestation_is_none_or_the_credential_s_own_and_whole() {
    let own = authenticator(KeyKind::Es256);
    let created = own.create(SHOWN);
    let object = |head: &[u8], format: &[u8], statement: &[u8]| {
        let data = &created.authenticator_data;
        let length = u8::try_from(data.len()).unwrap();
        let parts = [head, format, statement, b"\x68authData\x58", &[length], data];
        parts.concat()
    };
    let none = b"\x63fmt\x64none";
    let empty = b"\x67attStmt\xa0";
    let whole = object(b"\xa3", none, empty);
    assert_eq!(whole, created.object);
    assert_eq!(reason(register_as(&created, whole.clone())), "");
    // In another order it says the same.
    assert_eq!(reason(register_as(&created, object(b"\xa3", empty, none))), "");
    let packed = b"\x63fmt\x66packed";
    for (object, why) in [
        (Vec::new(), "malformed CBOR"),
        ([whole.as_slice(), &[0]].concat(), "malformed CBOR"),
        (object(b"\xa2", none, b""), "malformed attestation"),
        (object(b"\xa4", &[none, none.as_slice()].concat(), empty), "malformed attestation"),
        (
            object(b"\xa4", &[none, b"\x61x\x00".as_slice()].concat(), empty),
            "malformed attestation",
        ),
        (object(b"\xa3", none, b"\x67attStmt\xa1\x63alg\x26"), "attestation of another format"),
        (object(b"\xa3", b"\x63fmt\x63tpm", empty), "attestation of another format"),
        (object(b"\xa3", packed, empty), "malformed attestation"),
        (object(b"\xa3", packed, b"\x67attStmt\xa1\x63alg\x26"), "malformed attestation"),
        (
            object(b"\xa3", packed, b"\x67attStmt\xa3\x63alg\x26\x63sig\x40\x63x5c\x80"),
            "attestation by somebody else",
        ),
        (object(b"\xa3", packed, b"\x67attStmt\xa2\x63alg\x26\x63sig\x41\x00"), "wrong signature"),
        (
            object(b"\xa3", packed, b"\x67attStmt\xa2\x63alg\x27\x63sig\x41\x00"),
            "malformed attestation",
        ),
    ] {
        assert_eq!(reason(register_as(&created, object)), why);
    }
}

#[test]
fn authenticator_data_is_whole_and_nothing_more() {
    let own = authenticator(KeyKind::Es256);
    let data = own.create(SHOWN).authenticator_data;
    for end in 0..data.len() {
        assert!(AuthenticatorData::parse(&data[..end]).is_err(), "{end}");
    }
    assert!(AuthenticatorData::parse(&[&data[..], &[0]].concat()).is_err());
    let extended = |more: &[u8]| {
        let mut data = [&data[..], more].concat();
        data[32] |= flags::EXTENDED;
        AuthenticatorData::parse(&data).is_ok()
    };
    assert!(extended(b"\xa1\x6bcredProtect\x02"));
    for bad in [&b""[..], b"\xa1", b"\x00", b"\xa0\xa0", b"\xa2\x01\x00\x01\x00"] {
        assert!(!extended(bad), "{bad:?}");
    }
}

#[test]
fn credential_ids_are_of_16_to_1023_bytes() {
    for (length, taken) in [(0, false), (15, false), (16, true), (1_023, true), (1_024, false)] {
        let mut own = authenticator(KeyKind::EdDsa);
        own.credential_id = vec![9; length];
        assert_eq!(register(&own.create(SHOWN)).is_ok(), taken, "{length}");
    }
}

/// A COSE key of members that are written already.
fn cose(members: &[&[u8]]) -> bool {
    let count = u8::try_from(members.len()).unwrap();
    PublicKey::parse(&[vec![0xa0 | count], members.concat()].concat()).is_ok()
}

#[test]
fn keys_are_whole_of_a_kind_that_was_asked_for_and_nothing_more() {
    let (x, y) = (&DECOY[7..42], &DECOY[42..]);
    let (kind, algorithm, curve): (&[u8], &[u8], &[u8]) = (b"\x01\x02", b"\x03\x26", b"\x20\x01");
    assert!(cose(&[kind, algorithm, curve, x, y]) && PublicKey::parse(DECOY).is_ok());
    let elsewhere = [&y[..34], &[y[34] ^ 1]].concat();
    for (bad, why) in [
        (vec![kind, algorithm, curve, x], "half a point"),
        (vec![kind, algorithm, curve, x, &elsewhere], "a point that is none"),
        (vec![kind, algorithm, curve, x, b"\x22\xf5"], "a compressed point"),
        (vec![kind, algorithm, x, y], "no curve"),
        (vec![kind, algorithm, b"\x20\x02", x, y], "another curve"),
        (vec![kind, b"\x03\x27", curve, x, y], "another algorithm"),
        (vec![b"\x01\x01", algorithm, curve, x, y], "another kind"),
        (vec![algorithm, curve, x, y], "no kind"),
        (vec![kind, curve, x, y], "no algorithm"),
        (vec![kind, algorithm, algorithm, curve, x, y], "a parameter twice"),
        (vec![kind, algorithm, curve, x, y, b"\x04\x81\x02"], "a parameter more"),
        (vec![b"\x01\x01", algorithm, b"\x20\x06", x], "an Edwards key under a name of the other"),
    ] {
        assert!(!cose(&bad), "{why}");
    }
    let (okp, eddsa, edwards): (&[u8], &[u8], &[u8]) = (b"\x01\x01", b"\x03\x27", b"\x20\x06");
    assert!(cose(&[okp, eddsa, edwards, x]));
    assert!(!cose(&[okp, eddsa, edwards, &x[..3], &[0; 31]]));
    assert!(!cose(&[okp, eddsa, edwards, x, y]));
}

#[test]
fn rsa_keys_have_2048_to_4096_bits_and_the_usual_exponent() {
    let rsa = |modulus: &[u8], exponent: &[u8]| {
        let length = u16::try_from(modulus.len()).unwrap().to_be_bytes();
        let n = [b"\x20\x59", &length[..], modulus].concat();
        let length = u8::try_from(exponent.len()).unwrap();
        let e = [b"\x21".as_slice(), &[0x40 | length], exponent].concat();
        cose(&[b"\x01\x03", b"\x03\x39\x01\x00", &n, &e])
    };
    let modulus = |bytes: usize| vec![0xff; bytes];
    assert!(rsa(&modulus(256), &[1, 0, 1]) && rsa(&modulus(512), &[1, 0, 1]));
    for bad in [255, 513] {
        assert!(!rsa(&modulus(bad), &[1, 0, 1]), "{bad}");
    }
    let small = [vec![0x7f], modulus(255)].concat();
    assert!(!rsa(&small, &[1, 0, 1]) && !rsa(&[vec![0], modulus(256)].concat(), &[1, 0, 1]));
    for exponent in [&[1][..], &[3], &[0, 1, 0, 1], &[1, 0, 0], &[]] {
        assert!(!rsa(&modulus(256), exponent), "{exponent:?}");
    }
}

#[test]
fn nobody_signs_for_a_key_that_is_nobody_s() {
    let known = Known { public_key: DECOY, backup_eligible: false };
    let answered = authenticator(KeyKind::Es256).get(SHOWN);
    let done = verify::assertion(&YARD, &CHALLENGE, &known, &assertion(answered));
    assert_eq!(reason(done), "wrong signature");
}

#[test]
fn any_bytes_are_parsed_or_refused() {
    let mut objects = Vec::new();
    let mut data = Vec::new();
    let mut keys = Vec::new();
    let mut spoken = Vec::new();
    for kind in KINDS {
        let mut own = authenticator(kind);
        let created = own.create(SHOWN);
        keys.push(register(&created).unwrap().public_key);
        objects.extend([own.self_attested(&created), created.object]);
        data.extend([created.authenticator_data, own.get(SHOWN).authenticator_data]);
        spoken.extend([created.client_data, own.get(SHOWN).client_data]);
    }
    let created = authenticator(KeyKind::EdDsa).create(SHOWN);
    hammer(&objects, INPUTS, |bytes| drop(register_as(&created, bytes.to_vec())));
    hammer(&data, INPUTS, |bytes| drop(AuthenticatorData::parse(bytes)));
    hammer(&keys, INPUTS, |bytes| drop(PublicKey::parse(bytes)));
    hammer(&spoken, INPUTS, |bytes| {
        let _admitted = client_data::admit(bytes, Ceremony::Get, &CHALLENGE, &YARD.origins).is_ok();
    });
}

/// One registration for all the tries.
static MADE: LazyLock<(Registered, Answered)> = LazyLock::new(|| {
    let mut own = authenticator(KeyKind::EdDsa);
    (register(&own.create(SHOWN)).unwrap(), own.get(SHOWN))
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_single_changed_byte_of_an_answer_verifies(
        part in 0_usize..3, at in any::<prop::sample::Index>(), change in 1_u8..,
    ) {
        let (made, answered) = &*MADE;
        let mut changed = answered.clone();
        let bytes = match part {
            0 => &mut changed.client_data,
            1 => &mut changed.authenticator_data,
            _ => &mut changed.signature,
        };
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(assert(made, changed).is_err());
    }
}
