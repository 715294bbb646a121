//! What sign-in answers, and what it tells the audit trail.

use time::OffsetDateTime;
use tonic::Response;
use tonic::metadata::MetadataValue;
use yard_authn::Call;
use yard_contracts::identity::v1::{
    FactorKind, LoginResponse, Me, SessionDelivery, SignInChallenge,
};
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_ids::{PrincipalId, TenantId};

use super::exchange::lacks_factor;
use super::login::{Challenged, Opened, Place};
use super::reauthenticate::Renewed;
use super::{SESSION_CHANGED, SET_SESSION};
use crate::rights::Held;

/// Whether the client wants its token in the answer, and not in a cookie.
///
/// # Errors
/// `request.invalid` for another wish.
pub(crate) fn by_token(delivery: i32) -> Result<bool, Fault> {
    match SessionDelivery::try_from(delivery) {
        Ok(SessionDelivery::Token) => Ok(true),
        Ok(SessionDelivery::Cookie | SessionDelivery::Unspecified) => Ok(false),
        Err(_unknown) => {
            Err(Fault::invalid("delivery is not one of ours").with_pointer("/delivery"))
        }
    }
}

pub(super) fn asked(challenged: Challenged) -> LoginResponse {
    let kinds = challenged.passkey.iter().map(|_options| FactorKind::Passkey);
    let kinds = kinds.chain(challenged.enrolled.kinds());
    let challenge = SignInChallenge {
        challenge_token: challenged.token.expose().to_owned(),
        expires_at: Some(timestamp(challenged.expires_at)),
        factors: kinds.map(Into::into).collect(),
        passkey: challenged.passkey,
    };
    LoginResponse { challenge: Some(challenge), ..LoginResponse::default() }
}

/// Tells the audit trail who signed in, and where.
pub(super) fn note_opened(call: &Call, opened: &Opened) {
    let person = PrincipalId::from_uuid(opened.account.principal_id);
    call.note(|notes| {
        notes.actor = Some(format!("person:{person}"));
        notes.acting_as = Some(opened.place.role().to_owned());
        notes.tenant = match &opened.place {
            Place::Tenant(membership) => Some(TenantId::from_uuid(membership.tenant_id)),
            Place::Platform => None,
        };
    });
}

/// The person is what the audit trail says it was done to.
pub(super) fn note_person(call: &Call) {
    let Ok(person) = call.caller.person() else { return };
    call.note(|notes| notes.object = Some(("person".to_owned(), person.to_string())));
}

pub(super) fn me_of(opened: Opened, held: Held) -> Me {
    let role = opened.place.role().to_owned();
    let missing = lacks_factor(opened.place.requires_factor(), &opened.amr);
    let permissions = if missing { Vec::new() } else { held.permissions };
    let (tenant_id, tenant_slug, tenant_name) = match opened.place {
        Place::Tenant(m) => (m.tenant_id.as_hyphenated().to_string(), m.slug, m.name),
        Place::Platform => Default::default(),
    };
    Me {
        principal_id: opened.account.principal_id.as_hyphenated().to_string(),
        email: opened.account.email,
        display_name: opened.account.display_name,
        tenant_id,
        tenant_slug,
        tenant_name,
        permissions,
        role,
        second_factor_missing: missing,
        identity_provider_id: String::new(),
    }
}

/// Hands a session's new token on, the way the client asked for: the answer is made with it, or
/// without when it travels as a cookie.
pub(super) fn renewed<T>(
    renewed: &Renewed,
    by_token: bool,
    now: OffsetDateTime,
    answer: impl FnOnce(String) -> T,
) -> Response<T> {
    let token = renewed.token.expose();
    let mut response =
        Response::new(answer(if by_token { token.to_owned() } else { String::new() }));
    // It can do more now than the gateway remembers.
    response.metadata_mut().insert(SESSION_CHANGED, MetadataValue::from_static("1"));
    if !by_token {
        let left = (renewed.expires_at - now).whole_seconds().max(1);
        set_session(&mut response, &format!("{token};{left}"));
    }
    response
}

/// Has the gateway set the session's cookie.
pub(crate) fn set_session<T>(response: &mut Response<T>, value: &str) {
    let value = MetadataValue::try_from(value).expect("a token and a number are visible ASCII");
    response.metadata_mut().insert(SET_SESSION, value);
}
