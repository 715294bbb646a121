use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::{AUDIENCE, Claims, PublicClaims};
use yard_fault::{Code, Fault};
use yard_ids::{SessionId, TenantId};
use yard_pg::{Actor, PlatformTx};

use super::store::{self, Standing};
use super::{Issuer, scope};
use crate::rights::{self, Held};
use crate::sessions::lacks_factor;

/// How long the token inside the platform lives.
const LIFETIME: Duration = Duration::seconds(60);

impl Issuer {
    /// An access token inside the platform for one that a client holds, and its end. What the grant
    /// is worth is looked up afresh each time.
    ///
    /// # Errors
    /// `auth.token_invalid`, `auth.session_expired` for whatever ended the grant, `tenant.suspended`.
    pub(crate) async fn exchange(&self, token: &str) -> Result<(String, OffsetDateTime), Fault> {
        let now = self.0.clock.now();
        let shown = self.read_access(token, now)?;
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let standing = store::standing(&mut tx, shown.sid.uuid()).await?;
        let standing = standing.ok_or_else(|| Fault::new(Code::AuthSessionExpired))?;
        // Read after the standing, so that its time is not later than what they say.
        let (tenant, person) = (Some(standing.tenant_id), standing.principal_id);
        let held = rights::held(&mut tx, tenant, person, now).await?;
        tx.commit().await?;
        let claims = claims(&standing, &held, &shown, self.0.ids.uuid7(), now)?;
        let ends = OffsetDateTime::from_unix_timestamp(claims.exp)
            .map_err(|e| Fault::internal("time of an access token").with_source(e))?;
        Ok((self.0.keys.sign(&claims)?, ends))
    }
}

/// What the client may do now: what it was granted, as far as the person holds it.
fn claims(
    standing: &Standing,
    held: &Held,
    shown: &PublicClaims,
    jti: Uuid,
    now: OffsetDateTime,
) -> Result<Claims, Fault> {
    let role = standing.role_now(now)?;
    if standing.client_id != shown.client_id {
        return Err(Code::AuthTokenInvalid.into());
    }
    if lacks_factor(standing.second_factor_required, &standing.amr) {
        return Err(Code::AuthSecondFactorRequired.into());
    }
    let holds = |ability: &str| held.permissions.iter().any(|permission| permission == ability);
    let granted = scope::abilities(shown.scope.split(' '));
    let usable = granted.filter(|ability| holds(ability) && scope::has(&standing.scopes, ability));
    let ends = held.until.map_or(standing.expires_at, |until| standing.expires_at.min(until));
    let ends = shown.exp.min(ends.unix_timestamp());
    Ok(Claims {
        iss: "auth".to_owned(),
        sub: format!("person:{}", standing.principal_id.as_hyphenated()),
        aud: AUDIENCE.to_owned(),
        iat: now.unix_timestamp(),
        exp: ends.min((now + LIFETIME).unix_timestamp()),
        jti,
        tenant: Some(TenantId::from_uuid(standing.tenant_id)),
        role: role.to_owned(),
        permissions: usable.map(str::to_owned).collect(),
        sid: Some(SessionId::from_uuid(standing.session_id)),
        client: Some(standing.client_id),
        issued_ms: standing.read_ms,
        auth_time: Some(standing.auth_time.unix_timestamp()),
        amr: standing.amr.clone(),
        ends: Some(standing.expires_at.unix_timestamp()),
        ..Claims::default()
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use yard_authn::permissions_of;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    fn standing() -> Standing {
        Standing {
            session_id: Uuid::from_u128(1),
            principal_id: Uuid::from_u128(2),
            tenant_id: Uuid::from_u128(3),
            client_id: Uuid::from_u128(4),
            scopes: ["openid", "devices.read", "devices.manage"].map(str::to_owned).to_vec(),
            auth_time: NOW - Duration::hours(1),
            amr: vec!["pwd".to_owned()],
            expires_at: NOW + Duration::days(14),
            revoked_at: None,
            disabled_at: None,
            client_deleted_at: None,
            tenant_state: "ready".to_owned(),
            role: Some("owner".to_owned()),
            second_factor_required: false,
            email: String::new(),
            display_name: String::new(),
            read_ms: 1,
        }
    }

    fn shown(scope: &str) -> PublicClaims {
        PublicClaims {
            iss: String::new(),
            sub: String::new(),
            aud: String::new(),
            client_id: Uuid::from_u128(4),
            iat: NOW.unix_timestamp(),
            exp: NOW.unix_timestamp() + 300,
            jti: Uuid::nil(),
            scope: scope.to_owned(),
            sid: SessionId::from_uuid(Uuid::from_u128(1)),
            auth_time: 0,
        }
    }

    fn made(standing: &Standing, shown: &PublicClaims) -> Result<Claims, Code> {
        let role = standing.role.as_deref().unwrap_or_default();
        let permissions = permissions_of(role).iter().map(|&p| p.to_owned()).collect();
        let held = Held { permissions, until: None };
        claims(standing, &held, shown, Uuid::nil(), NOW).map_err(|fault| fault.code())
    }

    #[test]
    fn client_may_what_it_was_granted_and_the_person_holds() {
        let all = shown("openid devices.read devices.manage");
        let claims = made(&standing(), &all).unwrap();
        assert_eq!(claims.permissions, ["devices.read", "devices.manage"]);
        assert_eq!((claims.exp - claims.iat, claims.client), (60, Some(Uuid::from_u128(4))));
        let viewer = Standing { role: Some("viewer".to_owned()), ..standing() };
        assert_eq!(made(&viewer, &all).unwrap().permissions, ["devices.read"]);
        assert!(made(&standing(), &shown("openid")).unwrap().permissions.is_empty());
        let wider = shown("devices.read tenant.manage");
        assert_eq!(made(&standing(), &wider).unwrap().permissions, ["devices.read"]);
    }

    #[test]
    fn token_inside_never_outlives_the_one_outside_or_the_grant() {
        let late = PublicClaims { exp: NOW.unix_timestamp() + 7, ..shown("openid") };
        let claims = made(&standing(), &late).unwrap();
        assert_eq!(claims.exp - claims.iat, 7);
        let short = Standing { expires_at: NOW + Duration::seconds(3), ..standing() };
        let claims = made(&short, &shown("openid")).unwrap();
        assert_eq!(claims.exp - claims.iat, 3);
    }

    #[test]
    fn grant_without_the_second_factor_that_its_tenant_requires_is_refused() {
        let strict = Standing { second_factor_required: true, ..standing() };
        let refused = made(&strict, &shown("openid")).err();
        assert_eq!(refused, Some(Code::AuthSecondFactorRequired));
        let amr = ["pwd", "otp", "mfa"].map(str::to_owned).to_vec();
        assert!(made(&Standing { amr, ..strict }, &shown("openid")).is_ok());
    }

    #[test]
    fn token_inside_ends_when_what_the_person_holds_changes() {
        let held = Held { permissions: Vec::new(), until: Some(NOW + Duration::seconds(5)) };
        let claims = claims(&standing(), &held, &shown("openid"), Uuid::nil(), NOW).unwrap();
        assert_eq!(claims.exp - claims.iat, 5);
    }

    #[test]
    fn whatever_ended_the_grant_ends_it_here() {
        for ended in [
            Standing { expires_at: NOW, ..standing() },
            Standing { revoked_at: Some(NOW), ..standing() },
            Standing { disabled_at: Some(NOW), ..standing() },
            Standing { client_deleted_at: Some(NOW), ..standing() },
            Standing { role: None, ..standing() },
            Standing { tenant_state: "closed".to_owned(), ..standing() },
        ] {
            let refused = made(&ended, &shown("openid")).err();
            assert_eq!(refused, Some(Code::AuthSessionExpired), "{ended:?}");
        }
        let suspended = Standing { tenant_state: "suspended".to_owned(), ..standing() };
        assert_eq!(made(&suspended, &shown("openid")).err(), Some(Code::TenantSuspended));
        let foreign = PublicClaims { client_id: Uuid::nil(), ..shown("openid") };
        assert_eq!(made(&standing(), &foreign).err(), Some(Code::AuthTokenInvalid));
    }
}
