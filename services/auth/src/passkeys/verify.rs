//! The two ceremonies (Level 3, 7.1 and 7.2), as far as they need no database.

use super::authenticator_data::AuthenticatorData;
use super::cbor::Reader;
use super::client_data::{self, Ceremony};
use super::form::{Assertion, Attestation};
use super::key::PublicKey;
use super::{Refused, RelyingParty};
use crate::secrets;

const ATTESTATION: Refused = Refused("malformed attestation");

/// A credential that was registered.
pub(super) struct Registered {
    pub(super) credential_id: Vec<u8>,
    pub(super) public_key: Vec<u8>,
    pub(super) sign_count: u32,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
}

/// What is known of the credential that should have signed.
pub(super) struct Known<'a> {
    pub(super) public_key: &'a [u8],
    pub(super) backup_eligible: bool,
}

/// What a signature brought along.
pub(super) struct Signed {
    pub(super) sign_count: u32,
    pub(super) backed_up: bool,
}

/// Checks the answer to `create()`. Nobody vouches for the authenticator: a statement is none, or the
/// credential's own (`packed` without certificates), which has to be right.
pub(super) fn registration(
    rp: &RelyingParty,
    challenge: &[u8; 32],
    answer: &Attestation,
) -> Result<Registered, Refused> {
    client_data::admit(&answer.client_data, Ceremony::Create, challenge, &rp.origins)?;
    let object = Object::read(&answer.object)?;
    let data = AuthenticatorData::parse(object.data)?;
    data.admit(&rp.id_hash)?;
    let attested = data.attested.as_ref().ok_or(Refused("no credential"))?;
    if let Statement::Own { algorithm, signature } = object.statement {
        if algorithm != attested.key.algorithm() || attested.aaguid.iter().any(|byte| *byte != 0) {
            return Err(ATTESTATION);
        }
        attested.key.verify(&signed_text(object.data, &answer.client_data), signature)?;
    }
    Ok(Registered {
        credential_id: attested.credential_id.to_vec(),
        public_key: attested.cose.to_vec(),
        sign_count: data.sign_count,
        backup_eligible: data.backup_eligible(),
        backed_up: data.backed_up(),
    })
}

/// Checks the answer to `get()` against the credential that it names.
pub(super) fn assertion(
    rp: &RelyingParty,
    challenge: &[u8; 32],
    known: &Known<'_>,
    answer: &Assertion,
) -> Result<Signed, Refused> {
    client_data::admit(&answer.client_data, Ceremony::Get, challenge, &rp.origins)?;
    let data = AuthenticatorData::parse(&answer.authenticator_data)?;
    data.admit(&rp.id_hash)?;
    let key = PublicKey::parse(known.public_key)?;
    key.verify(&signed_text(&answer.authenticator_data, &answer.client_data), &answer.signature)?;
    // After the signature: what costs less would tell who has a passkey.
    if data.backup_eligible() != known.backup_eligible {
        return Err(Refused("another kind of credential than was registered"));
    }
    Ok(Signed { sign_count: data.sign_count, backed_up: data.backed_up() })
}

fn signed_text(authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [authenticator_data, &secrets::sha256_of(client_data)].concat()
}

/// An attestation object.
struct Object<'a> {
    data: &'a [u8],
    statement: Statement<'a>,
}

enum Statement<'a> {
    None,
    Own { algorithm: i64, signature: &'a [u8] },
}

impl<'a> Object<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new(bytes);
        let (mut format, mut statement, mut data) = (None, None, None);
        for _ in 0..reader.map()? {
            let again = match reader.text()? {
                "fmt" => format.replace(reader.text()?).is_some(),
                "authData" => data.replace(reader.bytes()?).is_some(),
                "attStmt" => {
                    let before = reader.rest();
                    reader.skip_map()?;
                    let (written, _after) = before.split_at(before.len() - reader.rest().len());
                    statement.replace(written).is_some()
                }
                _ => true,
            };
            if again {
                return Err(ATTESTATION);
            }
        }
        reader.end()?;
        let statement = Statement::read(format.ok_or(ATTESTATION)?, statement.ok_or(ATTESTATION)?)?;
        Ok(Self { data: data.ok_or(ATTESTATION)?, statement })
    }
}

impl<'a> Statement<'a> {
    fn read(format: &str, written: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new(written);
        let members = reader.map()?;
        match format {
            "none" if members == 0 => Ok(Self::None),
            "packed" => {
                let (mut algorithm, mut signature) = (None, None);
                for _ in 0..members {
                    let again = match reader.text()? {
                        "alg" => algorithm.replace(reader.int()?).is_some(),
                        "sig" => signature.replace(reader.bytes()?).is_some(),
                        _ => return Err(Refused("attestation by somebody else")),
                    };
                    if again {
                        return Err(ATTESTATION);
                    }
                }
                let (algorithm, signature) = algorithm.zip(signature).ok_or(ATTESTATION)?;
                Ok(Self::Own { algorithm, signature })
            }
            _ => Err(Refused("attestation of another format")),
        }
    }
}
