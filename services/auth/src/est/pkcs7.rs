//! The few DER structures that EST answers with, written by hand: a library for all of PKCS#7
//! would bring a second set of ASN.1 types for what is forty lines here.

/// `SEQUENCE`.
const SEQUENCE: u8 = 0x30;
/// `SET`.
const SET: u8 = 0x31;
/// `[0]`, constructed.
const TAGGED: u8 = 0xa0;
const OID: u8 = 0x06;
/// `INTEGER 1`.
const VERSION: &[u8] = &[0x02, 0x01, 0x01];
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// A degenerate `SignedData` that holds certificates and signs nothing (RFC 5652, section 5).
pub(super) fn certs_only(certificates: &[&[u8]]) -> Vec<u8> {
    let mut sorted = certificates.to_vec();
    // A SET's elements stand in the order of their encodings.
    sorted.sort_unstable();
    let signed = value(
        SEQUENCE,
        &[
            VERSION,
            &value(SET, &[]),
            &value(SEQUENCE, &[&value(OID, &[DATA])]),
            &value(TAGGED, &sorted),
            &value(SET, &[]),
        ],
    );
    value(SEQUENCE, &[&value(OID, &[SIGNED_DATA]), &value(TAGGED, &[&signed])])
}

/// `CsrAttrs` (RFC 7030, section 4.5.2): an EC key on P-256, signed with ECDSA and SHA-256.
pub(super) fn csr_attributes() -> Vec<u8> {
    let curve = value(SET, &[&value(OID, &[P256])]);
    let key = value(SEQUENCE, &[&value(OID, &[EC_PUBLIC_KEY]), &curve]);
    value(SEQUENCE, &[&key, &value(OID, &[ECDSA_WITH_SHA256])])
}

/// Tag, length, and the parts as content.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    if length < 0x80 {
        out.extend(u8::try_from(length));
    } else {
        let bytes = length.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let bytes = bytes.get(zeros..).unwrap_or_default();
        // At most eight bytes hold a length.
        out.extend(u8::try_from(bytes.len()).map(|count| 0x80 | count));
        out.extend_from_slice(bytes);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}
