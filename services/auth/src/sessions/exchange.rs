use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::{AUDIENCE, Claims};
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource, SessionId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::Runtime;

use super::SessionToken;
use super::own_store;
use super::store::{self, Standing};
use crate::factors::MULTI_FACTOR;
use crate::keys::Keys;
use crate::rights::{self, BREAK_GLASS, Entered, Held};

/// Seconds an access token lives.
const LIFETIME: Duration = Duration::seconds(60);
/// Uses closer together than this are noted as one.
const SAMPLE: Duration = Duration::seconds(60);
/// How long the token before is good, after a session got another.
pub(crate) const ROTATION: Duration = Duration::seconds(10);
/// Role of those who run the platform; they are in no tenant.
pub(crate) const SYSTEM_ADMINISTRATOR: &str = "system-administrator";

/// Makes access tokens from sessions.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) keys: Keys,
    /// A session that nobody uses ends after this; exact to a minute.
    pub(crate) idle: Duration,
}

/// An access token and its end.
pub(super) struct Access {
    pub(super) token: String,
    pub(super) expires_at: OffsetDateTime,
}

impl Exchange {
    pub(crate) fn new(pg: &Pg, runtime: &Runtime, keys: &Keys, idle: Duration) -> Self {
        let (clock, ids) = (runtime.clock(), runtime.ids());
        Self { pg: pg.clone(), clock, ids, keys: keys.clone(), idle }
    }

    /// Looks at the session afresh each time: what ended it since, ends here.
    ///
    /// # Errors
    /// `auth.session_expired` for whatever ended it, `tenant.suspended`.
    pub(super) async fn exchange(&self, token: &str) -> Result<Access, Fault> {
        let expired = || Fault::new(Code::AuthSessionExpired);
        let token = SessionToken::parse(token).ok_or_else(expired)?;
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let now = self.clock.now();
        let standing = store::standing(&mut tx, &token.hash(), now - ROTATION).await?;
        let standing = standing.ok_or_else(expired)?;
        if now - standing.last_used_at >= self.idle {
            return Err(expired());
        }
        if now - standing.last_used_at >= SAMPLE && standing.revoked_at.is_none() {
            own_store::touch(&mut tx, standing.id, now).await?;
        }
        // Read after the standing, so that its time is not later than what they say.
        let held = rights::held(&mut tx, standing.tenant_id, standing.principal_id, now).await?;
        let entered = match standing.tenant_id {
            None => rights::entered(&mut tx, standing.id, now).await?,
            Some(_) => None,
        };
        tx.commit().await?;
        let mut claims = claims(&standing, held, self.ids.uuid7(), now)?;
        if let Some(entered) = entered {
            enter(&mut claims, entered);
        }
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp)
            .map_err(|e| Fault::internal("time of an access token").with_source(e))?;
        Ok(Access { token: self.keys.sign(&claims)?, expires_at })
    }
}

/// What the session allows at this moment.
fn claims(
    standing: &Standing,
    held: Held,
    jti: Uuid,
    now: OffsetDateTime,
) -> Result<Claims, Fault> {
    let expired = || Fault::new(Code::AuthSessionExpired);
    let expires_at = standing.expires_at.min(now + LIFETIME);
    let expires_at = held.until.map_or(expires_at, |until| expires_at.min(until));
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
    let permissions = if lacks_factor { Vec::new() } else { held.permissions };
    Ok(Claims {
        iss: "auth".to_owned(),
        sub: format!("person:{}", standing.principal_id.as_hyphenated()),
        aud: AUDIENCE.to_owned(),
        iat: now.unix_timestamp(),
        exp: expires_at.unix_timestamp(),
        jti,
        tenant: standing.tenant_id.map(TenantId::from_uuid),
        role: role.to_owned(),
        permissions,
        sid: Some(SessionId::from_uuid(standing.id)),
        issued_ms: standing.read_ms,
        auth_time: Some(standing.auth_time.unix_timestamp()),
        amr: standing.amr.clone(),
        provider: standing.identity_provider_id,
        lacks_factor,
        ends: Some(standing.expires_at.unix_timestamp()),
        ..Claims::default()
    })
}

/// Puts a system administrator's token into the tenant that the session has entered.
fn enter(claims: &mut Claims, entered: Entered) {
    claims.tenant = Some(entered.tenant);
    BREAK_GLASS.clone_into(&mut claims.role);
    // Without the factor that is asked for it may as little there as on the platform.
    claims.permissions = if claims.lacks_factor { Vec::new() } else { entered.permissions };
    claims.exp = claims.exp.min(entered.until.unix_timestamp());
    claims.break_glass = Some(entered.id);
}

/// Whether a session was opened with less than its tenant asks for.
pub(crate) fn lacks_factor(required: bool, amr: &[String]) -> bool {
    required && !amr.iter().any(|mark| mark == MULTI_FACTOR)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use yard_authn::permissions_of;

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
            identity_provider_id: None,
            auth_time: NOW - Duration::minutes(3),
            amr: vec!["pwd".to_owned()],
            second_factor_required: false,
            last_used_at: NOW,
            read_ms: 1,
        }
    }

    fn held(role: &str) -> Held {
        let permissions = permissions_of(role).iter().map(|&name| name.to_owned()).collect();
        Held { permissions, until: None }
    }

    fn code(standing: &Standing) -> Option<Code> {
        claims(standing, held("operator"), Uuid::nil(), NOW).err().map(|fault| fault.code())
    }

    #[test]
    fn claims_of_a_member_hold_the_roles_permissions() {
        let made = claims(&member(), held("operator"), Uuid::nil(), NOW).unwrap();
        assert_eq!(made.exp - made.iat, 60);
        assert_eq!(made.permissions, permissions_of("operator"));
        assert_eq!(made.tenant, Some(TenantId::from_uuid(Uuid::from_u128(3))));
    }

    #[test]
    fn claims_say_when_and_how_the_person_proved_themselves() {
        let made = claims(&member(), held("operator"), Uuid::nil(), NOW).unwrap();
        assert_eq!(made.auth_time, Some((NOW - Duration::minutes(3)).unix_timestamp()));
        assert_eq!((made.amr, made.lacks_factor), (vec!["pwd".to_owned()], false));
    }

    #[test]
    fn session_without_the_required_factor_holds_no_permissions() {
        let without = Standing { second_factor_required: true, ..member() };
        let made = claims(&without, held("operator"), Uuid::nil(), NOW).unwrap();
        assert!(made.lacks_factor && made.permissions.is_empty());
        let amr = ["pwd", "otp", "mfa"].map(str::to_owned).to_vec();
        let made =
            claims(&Standing { amr, ..without }, held("operator"), Uuid::nil(), NOW).unwrap();
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
        let made = claims(&standing, held(SYSTEM_ADMINISTRATOR), Uuid::nil(), NOW).unwrap();
        assert_eq!((made.tenant, made.role.as_str()), (None, SYSTEM_ADMINISTRATOR));
        let not_any_more = Standing { system_administrator: false, ..standing };
        assert_eq!(code(&not_any_more), Some(Code::AuthSessionExpired));
    }

    #[test]
    fn token_never_outlives_its_session() {
        let short = Standing { expires_at: NOW + Duration::seconds(7), ..member() };
        let made = claims(&short, held("operator"), Uuid::nil(), NOW).unwrap();
        assert_eq!(made.exp - made.iat, 7);
    }

    #[test]
    fn token_never_outlives_the_next_change_of_what_it_says() {
        let until =
            |seconds| Held { until: Some(NOW + Duration::seconds(seconds)), ..held("viewer") };
        let made = claims(&member(), until(9), Uuid::nil(), NOW).unwrap();
        assert_eq!((made.exp - made.iat, made.permissions.len()), (9, 4));
        let later = claims(&member(), until(90), Uuid::nil(), NOW).unwrap();
        assert_eq!(later.exp - later.iat, 60);
        // Also when the next change is less than a second away.
        let late = NOW + Duration::milliseconds(8_999);
        let made = claims(&member(), until(9), Uuid::nil(), late).unwrap();
        assert_eq!(made.exp - made.iat, 1);
    }

    #[test]
    fn administrator_in_a_tenant_has_what_was_stated_and_nothing_of_the_platform() {
        let standing = Standing {
            tenant_id: None,
            tenant_state: None,
            role: None,
            system_administrator: true,
            ..member()
        };
        let administrator = held(SYSTEM_ADMINISTRATOR);
        let mut made = claims(&standing, administrator, Uuid::nil(), NOW).unwrap();
        let tenant = TenantId::from_uuid(Uuid::from_u128(3));
        let entered = Entered {
            id: Uuid::from_u128(4),
            tenant,
            permissions: vec!["devices.read".to_owned()],
            until: NOW + Duration::seconds(5),
        };
        let mut lacking = Claims { lacks_factor: true, ..made.clone() };
        enter(&mut lacking, entered.clone());
        assert_eq!((lacking.tenant, lacking.permissions.len()), (Some(tenant), 0));
        enter(&mut made, entered);
        assert_eq!(
            (made.tenant, made.permissions.len(), made.exp - made.iat),
            (Some(tenant), 1, 5)
        );
        assert_eq!(
            (made.role.as_str(), made.break_glass),
            ("break-glass", Some(Uuid::from_u128(4)))
        );
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
