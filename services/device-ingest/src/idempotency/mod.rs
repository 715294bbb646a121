//! `Idempotency-Key`: the same key with the same request gives the first answer again.
//!
//! A key is one person's in one tenant and holds for a day. It is claimed in the transaction that
//! does what is asked, so that a request which fails leaves no key behind, and one that comes while
//! the first is under way waits for it and then gets its answer.

mod store;

use aws_lc_rs::digest::{SHA256, digest};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::Call;
use yard_fault::{Code, Fault};
use yard_pg::TenantTx;

/// How long a key holds.
const HOLDS: Duration = Duration::hours(24);

/// One request under a key.
#[derive(Debug)]
pub(crate) struct Key<'c> {
    subject: &'c str,
    key: &'c str,
    method: &'static str,
    hash: Vec<u8>,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody asked so before.
    First,
    /// The same was asked before and made this.
    Again(Uuid),
}

impl<'c> Key<'c> {
    /// The key of a call, if it has one. `request` is what tells requests of `method` apart.
    ///
    /// # Errors
    /// `idempotency.key_invalid`.
    pub(crate) fn of(
        call: &'c Call,
        method: &'static str,
        request: &[u8],
    ) -> Result<Option<Self>, Fault> {
        let hash = || digest(&SHA256, request).as_ref().to_vec();
        let subject = call.caller.subject();
        Ok(call.idempotency_key()?.map(|key| Self { subject, key, method, hash: hash() }))
    }

    /// Claims the key for `answer`, which the transaction is about to make.
    ///
    /// # Errors
    /// `idempotency.key_reused` when the key stands for another request.
    pub(crate) async fn claim(
        &self,
        tx: &mut TenantTx,
        answer: Uuid,
        now: OffsetDateTime,
    ) -> Result<Claim, Fault> {
        let expired = now - HOLDS;
        if store::claim(tx, self, answer, now, expired).await? {
            store::forget(tx, expired).await?;
            return Ok(Claim::First);
        }
        let first = store::read(tx, self.subject, self.key).await?;
        let first = first.ok_or_else(|| Fault::internal("a taken idempotency key is not there"))?;
        if first.method != self.method || first.request_hash != self.hash {
            return Err(Code::IdempotencyKeyReused.into());
        }
        Ok(Claim::Again(first.answer))
    }
}

/// Claims the key of a call, or goes on without one.
///
/// # Errors
/// As [`Key::claim`].
pub(crate) async fn claim(
    key: Option<&Key<'_>>,
    tx: &mut TenantTx,
    answer: Uuid,
    now: OffsetDateTime,
) -> Result<Claim, Fault> {
    match key {
        None => Ok(Claim::First),
        Some(key) => key.claim(tx, answer, now).await,
    }
}
