//! Public keys of passkeys, as COSE writes them (RFC 9052, RFC 9053, RFC 8230).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};

use super::Refused;
use super::cbor::Reader;

/// What is asked for, the best first.
pub(super) const ALGORITHMS: [i32; 3] = [ES256, EDDSA, RS256];

const ES256: i32 = -7;
const EDDSA: i32 = -8;
const RS256: i32 = -257;

const EC2: i64 = 2;
const OKP: i64 = 1;
const RSA: i64 = 3;
const P256: i64 = 1;
const CURVE_25519: i64 = 6;

/// Shortest and longest modulus, bytes.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
/// 65537, which is what authenticators use.
const EXPONENT: &[u8] = &[1, 0, 1];

const UNUSABLE: Refused = Refused("unusable public key");
const WRONG: Refused = Refused("wrong signature");

/// A key that verifies one kind of signature.
pub(super) struct PublicKey {
    algorithm: i64,
    key: ParsedPublicKey,
}

/// The parameters of a COSE key, each at most once.
#[derive(Default)]
struct Parameters<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    first: Option<&'a [u8]>,
    second: Option<&'a [u8]>,
    third: Option<&'a [u8]>,
}

impl PublicKey {
    /// Of a whole text.
    pub(super) fn parse(cose: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new(cose);
        let key = Self::read(&mut reader)?;
        reader.end()?;
        Ok(key)
    }

    /// The next item of what is read.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let read = Parameters::read(reader)?;
        let algorithm = read.algorithm.ok_or(UNUSABLE)?;
        let key = match (read.kind, i32::try_from(algorithm), read.curve) {
            (Some(EC2), Ok(ES256), Some(P256)) => point(&read),
            (Some(OKP), Ok(EDDSA), Some(CURVE_25519)) => edwards(&read),
            (Some(RSA), Ok(RS256), None) => rsa(&read),
            _ => Err(UNUSABLE),
        };
        Ok(Self { algorithm, key: key? })
    }

    pub(super) const fn algorithm(&self) -> i64 {
        self.algorithm
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refused> {
        self.key.verify_sig(message, signature).map_err(|_unspecified| WRONG)
    }
}

impl<'a> Parameters<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Refused> {
        let mut read = Self::default();
        for _ in 0..reader.map()? {
            let key = reader.int()?;
            let rsa = read.kind == Some(RSA);
            match key {
                1 => put(&mut read.kind, reader.int()?)?,
                3 => put(&mut read.algorithm, reader.int()?)?,
                // The modulus of an RSA key; the kind comes first in every order that is allowed.
                -1 if rsa => put(&mut read.first, reader.bytes()?)?,
                -1 => put(&mut read.curve, reader.int()?)?,
                -2 => put(&mut read.second, reader.bytes()?)?,
                -3 => put(&mut read.third, reader.bytes()?)?,
                // The standard allows no others.
                _ => return Err(UNUSABLE),
            }
        }
        Ok(read)
    }
}

fn put<T>(place: &mut Option<T>, value: T) -> Result<(), Refused> {
    if place.replace(value).is_some() { Err(UNUSABLE) } else { Ok(()) }
}

fn point(read: &Parameters<'_>) -> Result<ParsedPublicKey, Refused> {
    match (read.first, read.second, read.third) {
        (None, Some(x), Some(y)) if x.len() == 32 && y.len() == 32 => {
            parsed(ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, [&[4], x, y].concat()))
        }
        _ => Err(UNUSABLE),
    }
}

fn edwards(read: &Parameters<'_>) -> Result<ParsedPublicKey, Refused> {
    match (read.first, read.second, read.third) {
        (None, Some(x), None) if x.len() == 32 => parsed(ParsedPublicKey::new(&ED25519, x)),
        _ => Err(UNUSABLE),
    }
}

fn rsa(read: &Parameters<'_>) -> Result<ParsedPublicKey, Refused> {
    match (read.first, read.second, read.third) {
        // The highest bit counts, so that 256 bytes are 2048 bits.
        (Some(n), Some(EXPONENT), None)
            if MODULUS.contains(&n.len()) && n.first().is_some_and(|byte| byte >> 7 == 1) =>
        {
            let components = RsaPublicKeyComponents { n, e: EXPONENT };
            parsed(components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256))
        }
        _ => Err(UNUSABLE),
    }
}

fn parsed<E>(key: Result<ParsedPublicKey, E>) -> Result<ParsedPublicKey, Refused> {
    key.map_err(|_rejected| UNUSABLE)
}
