use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::{AUDIENCE, Claims, permissions_of};
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource, SessionId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::SessionToken;
use super::store::{self, Standing};
use crate::factors::MULTI_FACTOR;
use crate::keys::Keys;

/// Seconds an access token lives.
const LIFETIME: Duration = Duration::seconds(60);
/// Role of those who run the platform; they are in no tenant.
pub(super) const SYSTEM_ADMINISTRATOR: &str = "system-administrator";

/// Makes access tokens from sessions.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) keys: Keys,
}

/// An access token and its end.
pub(super) struct Access {
    pub(super) token: String,
    pub(super) expires_at: OffsetDateTime,
}

impl Exchange {
    /// Looks at the session afresh each time: what ended it since, ends here.
    ///
    /// # Errors
    /// `auth.session_expired` for whatever ended it, `tenant.suspended`.
    pub(super) async fn exchange(&self, token: &str) -> Result<Access, Fault> {
        let expired = || Fault::new(Code::AuthSessionExpired);
        let token = SessionToken::parse(token).ok_or_else(expired)?;
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let standing = store::standing(&mut tx, &token.hash()).await?.ok_or_else(expired)?;
        tx.commit().await?;
        let claims = claims(&standing, self.ids.uuid7(), self.clock.now())?;
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp)
            .map_err(|e| Fault::internal("time of an access token").with_source(e))?;
        Ok(Access { token: self.keys.sign(&claims)?, expires_at })
    }
}

/// What the session allows at this moment.
fn claims(standing: &Standing, jti: Uuid, now: OffsetDateTime) -> Result<Claims, Fault> {
    let expired = || Fault::new(Code::AuthSessionExpired);
    let expires_at = standing.expires_at.min(now + LIFETIME);
    let lives = expires_at.unix_timestamp() > now.unix_timestamp();
    if !lives || standing.revoked_at.is_some() || standing.disabled_at.is_some() {
        return Err(expired());
    }
    let role = match (standing.tenant_id, standing.tenant_state.as_deref()) {
        (None, _) if standing.system_administrator => SYSTEM_ADMINISTRATOR,
        (Some(_), Some("ready")) => standing.role.as_deref().ok_or_else(expired)?,
        (Some(_), Some("suspended")) => return Err(Code::TenantSuspended.into()),
        _ => return Err(expired()),
    };
    let lacks_factor = lacks_factor(standing.second_factor_required, &standing.amr);
    let permissions = if lacks_factor { &[][..] } else { permissions_of(role) };
    Ok(Claims {
        iss: "auth".to_owned(),
        sub: format!("person:{}", standing.principal_id.as_hyphenated()),
        aud: AUDIENCE.to_owned(),
        iat: now.unix_timestamp(),
        exp: expires_at.unix_timestamp(),
        jti,
        tenant: standing.tenant_id.map(TenantId::from_uuid),
        role: role.to_owned(),
        permissions: permissions.iter().map(|&p| p.to_owned()).collect(),
        sid: Some(SessionId::from_uuid(standing.id)),
        issued_ms: standing.read_ms,
        auth_time: Some(standing.auth_time.unix_timestamp()),
        amr: standing.amr.clone(),
        lacks_factor,
        ends: Some(standing.expires_at.unix_timestamp()),
        ..Claims::default()
    })
}

/// Whether a session was opened with less than its tenant asks for.
pub(super) fn lacks_factor(required: bool, amr: &[String]) -> bool {
    required && !amr.iter().any(|mark| mark == MULTI_FACTOR)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    fn member() -> Standing {
        Standing {
            id: Uuid::from_u128(1),
            principal_id: Uuid::from_u128(2),
            tenant_id: Some(Uuid::from_u128(3)),
            expires_at: NOW + Duration::hours(1),
            revoked_at: None,
            disabled_at: None,
            system_administrator: false,
            tenant_state: Some("ready".to_owned()),
            role: Some("operator".to_owned()),
            auth_time: NOW - Duration::minutes(3),
            amr: vec!["pwd".to_owned()],
            second_factor_required: false,
            read_ms: 1,
        }
    }

    fn code(standing: &Standing) -> Option<Code> {
        claims(standing, Uuid::nil(), NOW).err().map(|fault| fault.code())
    }

    #[test]
    fn claims_of_a_member_hold_the_roles_permissions() {
        let made = claims(&member(), Uuid::nil(), NOW).unwrap();
        assert_eq!(made.exp - made.iat, 60);
        assert_eq!(made.permissions, permissions_of("operator"));
        assert_eq!(made.tenant, Some(TenantId::from_uuid(Uuid::from_u128(3))));
    }

    #[test]
    fn claims_say_when_and_how_the_person_proved_themselves() {
        let made = claims(&member(), Uuid::nil(), NOW).unwrap();
        assert_eq!(made.auth_time, Some((NOW - Duration::minutes(3)).unix_timestamp()));
        assert_eq!((made.amr, made.lacks_factor), (vec!["pwd".to_owned()], false));
    }

    #[test]
    fn session_without_the_required_factor_holds_no_permissions() {
        let without = Standing { second_factor_required: true, ..member() };
        let made = claims(&without, Uuid::nil(), NOW).unwrap();
        assert!(made.lacks_factor && made.permissions.is_empty());
        let amr = ["pwd", "otp", "mfa"].map(str::to_owned).to_vec();
        let made = claims(&Standing { amr, ..without }, Uuid::nil(), NOW).unwrap();
        assert!(!made.lacks_factor);
        assert_eq!(made.permissions, permissions_of("operator"));
    }

    #[test]
    fn claims_of_an_administrator_are_of_no_tenant() {
        let standing = Standing {
            tenant_id: None,
            tenant_state: None,
            role: None,
            system_administrator: true,
            ..member()
        };
        let made = claims(&standing, Uuid::nil(), NOW).unwrap();
        assert_eq!((made.tenant, made.role.as_str()), (None, SYSTEM_ADMINISTRATOR));
        let not_any_more = Standing { system_administrator: false, ..standing };
        assert_eq!(code(&not_any_more), Some(Code::AuthSessionExpired));
    }

    #[test]
    fn token_never_outlives_its_session() {
        let short = Standing { expires_at: NOW + Duration::seconds(7), ..member() };
        let made = claims(&short, Uuid::nil(), NOW).unwrap();
        assert_eq!(made.exp - made.iat, 7);
    }

    #[test]
    fn whatever_ended_the_session_ends_it_here() {
        for ended in [
            Standing { expires_at: NOW, ..member() },
            Standing { revoked_at: Some(NOW), ..member() },
            Standing { disabled_at: Some(NOW), ..member() },
            Standing { role: None, ..member() },
            Standing { tenant_state: Some("closed".to_owned()), ..member() },
        ] {
            assert_eq!(code(&ended), Some(Code::AuthSessionExpired), "{ended:?}");
        }
        let suspended = Standing { tenant_state: Some("suspended".to_owned()), ..member() };
        assert_eq!(code(&suspended), Some(Code::TenantSuspended));
    }
}
