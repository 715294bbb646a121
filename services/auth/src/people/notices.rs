//! What people are told of their accounts unasked.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::Fault;
use yard_pg::PlatformTx;

use super::{profile, recovery};
use crate::mail::{Address, Letter, Post, Recipient};

/// What has become of how a person gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    PasswordByLink,
    PasswordInSession,
    PasskeyAdded,
    PasskeyRemoved,
}

/// Tells a person at their address, in the transaction that changes it; where no mail is sent, nothing.
/// Call [`Post::wake`] after the commit.
///
/// # Errors
/// As any statement.
pub(crate) async fn tell(
    tx: &mut PlatformTx,
    post: &Post,
    (person, email): (Uuid, &str),
    notice: Notice,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    if post.ready().is_err() {
        return Ok(());
    }
    let locale = recovery::locale_of(tx, person).await?;
    let address = Address::stored(email.to_owned());
    let to = Recipient { address: &address, locale: locale.as_deref(), tenant: None };
    let letter = match notice {
        Notice::PasswordByLink => Letter::password_changed(now),
        Notice::PasswordInSession => Letter::password_changed_in_session(now),
        Notice::PasskeyAdded => Letter::passkey_added(now),
        Notice::PasskeyRemoved => Letter::passkey_removed(now),
    };
    post.write(tx, to, &letter, now + profile::PROOF_FOR).await
}
