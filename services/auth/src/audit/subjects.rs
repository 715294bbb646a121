//! Keys of people: what is personal in an entry is sealed under its person's key, and that key
//! under the service's. Destroying the one key makes all of it unreadable, backups of the entries
//! included; the hashes still hold.

use std::collections::HashMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_audit::Personal;
use yard_authn::seal::Sealer;
use yard_fault::Fault;
use yard_pg::PlatformTx;

use super::key_rows::{self, SubjectKey};
use crate::secrets;

/// What the service's sealing knows these keys as.
const PURPOSE: &str = "audit-subject-key";

/// What is sealed of a person, beside who it is.
#[derive(Serialize, Deserialize)]
struct Content {
    salt: [u8; 32],
    email: String,
    display_name: String,
    address: String,
    user_agent: String,
}

/// Keys by chain and person; an erased person has none.
pub(super) struct SubjectKeys(HashMap<(Uuid, String), LessSafeKey>);

/// The keys of these people, made where one is missing. Held against erasure until the transaction
/// ends, so that nothing is sealed under a key that is being destroyed.
pub(super) async fn keys(
    tx: &mut PlatformTx,
    sealer: &Sealer,
    subjects: &[(Uuid, String)],
    now: OffsetDateTime,
) -> Result<SubjectKeys, Fault> {
    if subjects.is_empty() {
        return Ok(SubjectKeys(HashMap::new()));
    }
    let mut stored = key_rows::subject_keys(tx, subjects).await?;
    let has = |(chain, subject): &(Uuid, String)| {
        stored.iter().any(|key| key.tenant_id == *chain && key.subject_id == *subject)
    };
    let mut made = Vec::new();
    for (chain, subject) in subjects.iter().filter(|pair| !has(pair)) {
        let key = secrets::random::<32>()?;
        made.push((
            *chain,
            subject.clone(),
            sealer.seal(PURPOSE, &binding(*chain, subject), &key)?,
        ));
    }
    if !made.is_empty() {
        key_rows::insert_subject_keys(tx, &made, now).await?;
        stored = key_rows::subject_keys(tx, subjects).await?;
    }
    open(sealer, stored)
}

/// Opens stored keys.
pub(super) fn open(sealer: &Sealer, stored: Vec<SubjectKey>) -> Result<SubjectKeys, Fault> {
    let mut keys = HashMap::new();
    for SubjectKey { tenant_id, subject_id, sealed_key } in stored {
        let Some(sealed) = sealed_key else { continue };
        let raw = sealer.open(PURPOSE, &binding(tenant_id, &subject_id), &sealed)?;
        let key = UnboundKey::new(&AES_256_GCM, &raw)
            .map_err(|_unspecified| Fault::internal("a subject key of another length"))?;
        keys.insert((tenant_id, subject_id), LessSafeKey::new(key));
    }
    Ok(SubjectKeys(keys))
}

/// Seals anew what another key than the active one sealed; at most so many.
pub(super) async fn reseal(tx: &mut PlatformTx, sealer: &Sealer, most: i64) -> Result<(), Fault> {
    for key in key_rows::sealed_before(tx, &sealer.active(), most).await? {
        let SubjectKey { tenant_id, subject_id, sealed_key: Some(sealed) } = key else {
            continue;
        };
        let bound = binding(tenant_id, &subject_id);
        if let Some(anew) = sealer.reseal(PURPOSE, &bound, &sealed)? {
            key_rows::replace_key(tx, tenant_id, &subject_id, &anew).await?;
        }
    }
    Ok(())
}

fn binding(chain: Uuid, subject: &str) -> Vec<u8> {
    [chain.as_bytes().as_slice(), subject.as_bytes()].concat()
}

fn bound(chain: Uuid, event: Uuid) -> Aad<Vec<u8>> {
    Aad::from([chain.as_bytes().as_slice(), event.as_bytes()].concat())
}

impl SubjectKeys {
    /// Nonce, text and tag; `None` for an erased person.
    pub(super) fn seal(
        &self,
        chain: Uuid,
        event: Uuid,
        personal: &Personal,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Some(key) = self.0.get(&(chain, personal.subject_id.clone())) else {
            return Ok(None);
        };
        let failed = || Fault::internal("could not seal personal data");
        let content = Content {
            salt: personal.salt,
            email: personal.email.clone(),
            display_name: personal.display_name.clone(),
            address: personal.address.clone(),
            user_agent: personal.user_agent.clone(),
        };
        let mut text = serde_json::to_vec(&content).map_err(|e| failed().with_source(e))?;
        let nonce = secrets::random::<NONCE_LEN>()?;
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            bound(chain, event),
            &mut text,
        )
        .map_err(|_unspecified| failed())?;
        Ok(Some([nonce.as_slice(), &text].concat()))
    }

    /// What was sealed; `None` for an erased person.
    ///
    /// # Errors
    /// `internal` when it was changed.
    pub(super) fn open(
        &self,
        chain: Uuid,
        event: Uuid,
        subject: &str,
        sealed: &[u8],
    ) -> Result<Option<Personal>, Fault> {
        let Some(key) = self.0.get(&(chain, subject.to_owned())) else {
            return Ok(None);
        };
        let broken = || Fault::internal(format!("personal data of entry {event} was changed"));
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        let mut text = text.to_vec();
        let plain = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound(chain, event), &mut text)
            .map_err(|_unspecified| broken())?;
        let Content { salt, email, display_name, address, user_agent } =
            serde_json::from_slice(plain).map_err(|e| broken().with_source(e))?;
        let subject_id = subject.to_owned();
        Ok(Some(Personal { salt, subject_id, email, display_name, address, user_agent }))
    }
}
