//! How a subscriber's password lies in the database.
//!
//! No slow hash: NAS wait a second, and a password of a hotspot is asked for often. The hash is keyed
//! instead, so that the rows alone allow no guessing. It is never a person's password for the platform.

use uuid::Uuid;
use yard_authn::data_key::DataKey;
use yard_fault::Fault;

const PURPOSE: &str = "radius-password";

/// As it is stored.
pub(in crate::aaa) struct Stored {
    /// Keyed hash, for PAP.
    pub(in crate::aaa) verifier: [u8; 32],
    /// Sealed, for CHAP and MS-CHAPv2.
    pub(in crate::aaa) sealed: Option<Vec<u8>>,
}

/// What to store of the password of subscriber `id`.
pub(in crate::aaa) fn stored(
    key: &DataKey,
    id: Uuid,
    password: &str,
    pap_only: bool,
) -> Result<Stored, Fault> {
    let verifier = key.hash(PURPOSE, id.as_bytes(), password.as_bytes())?;
    let seal = || key.seal(PURPOSE, id.as_bytes(), password.as_bytes());
    let sealed = if pap_only { None } else { Some(seal()?) };
    Ok(Stored { verifier, sealed })
}

/// Whether it is the password that `verifier` is of, found out in constant time.
pub(in crate::aaa) fn is_right(
    key: &DataKey,
    id: Uuid,
    password: &[u8],
    verifier: &[u8],
) -> Result<bool, Fault> {
    key.is_hash(PURPOSE, id.as_bytes(), password, verifier)
}

/// The password itself.
pub(in crate::aaa) fn opened(key: &DataKey, id: Uuid, sealed: &[u8]) -> Result<String, Fault> {
    let plain = key.open(PURPOSE, id.as_bytes(), sealed)?;
    String::from_utf8(plain)
        .map_err(|e| Fault::internal("a sealed password is no text").with_source(e))
}
