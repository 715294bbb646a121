//! What people are told of their accounts unasked.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::Fault;
use yard_pg::PlatformTx;

use super::{profile, recovery};
use crate::mail::{Address, Letter, Post, Recipient};

/// How a person came to another password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewPassword {
    ByLink,
    InSession,
}

/// Tells a person at their address that their password is another one, in the transaction that
/// changes it; where no mail is sent, nothing. Call [`Post::wake`] after the commit.
///
/// # Errors
/// As any statement.
pub(crate) async fn tell_new_password(
    tx: &mut PlatformTx,
    post: &Post,
    (person, email): (Uuid, &str),
    how: NewPassword,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    if post.ready().is_err() {
        return Ok(());
    }
    let locale = recovery::locale_of(tx, person).await?;
    let address = Address::stored(email.to_owned());
    let to = Recipient { address: &address, locale: locale.as_deref(), tenant: None };
    let letter = match how {
        NewPassword::ByLink => Letter::password_changed(now),
        NewPassword::InSession => Letter::password_changed_in_session(now),
    };
    post.write(tx, to, &letter, now + profile::PROOF_FOR).await
}
