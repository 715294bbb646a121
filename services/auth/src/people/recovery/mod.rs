//! Links that a mail brought: a new password, a proved address, a changed address.
//!
//! Who asks for a new password is answered before anybody looks whether there is an account: the
//! [`clerk`] does, a moment later.

pub(super) mod clerk;
pub(super) mod grpc;
mod store;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use crate::mail::Address;
use crate::sessions;

pub(super) use store::Links;

/// How long a link for a new password is good.
const RESET_FOR: Duration = Duration::minutes(30);
/// Links for a new password that one account has at once. Each stays good, so that nobody keeps the
/// owner out by asking; and there is no third, so that nobody floods the owner.
const MOST_RESETS: i64 = 2;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkKind {
    PasswordReset,
    EmailVerification,
}

impl LinkKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password-reset",
            Self::EmailVerification => "email-verification",
        }
    }
}

/// A link to be stored.
pub(super) struct NewLink<'a> {
    pub(super) kind: LinkKind,
    pub(super) principal: Uuid,
    pub(super) email: &'a Address,
    pub(super) hash: [u8; 32],
    pub(super) at: OffsetDateTime,
}

/// Keeps a person's links as they are to the end of the transaction, and says what there is.
pub(super) async fn lock_links(
    tx: &mut PlatformTx,
    principal: Uuid,
    kind: LinkKind,
    now: OffsetDateTime,
) -> Result<Links, PgError> {
    sessions::lock_person(tx, principal).await?;
    store::links(tx, principal, kind, now).await
}

/// Stores a link.
pub(super) async fn insert_link(
    tx: &mut PlatformTx,
    link: &NewLink<'_>,
    expires_at: OffsetDateTime,
) -> Result<(), PgError> {
    store::insert(tx, link, expires_at).await
}

/// A person's own language, else that of a tenant of theirs.
pub(super) async fn locale_of(
    tx: &mut PlatformTx,
    principal: Uuid,
) -> Result<Option<String>, PgError> {
    store::locale(tx, principal).await
}
