use std::sync::Arc;

use aws_lc_rs::constant_time;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::{AUDIENCE, Claims};
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::format::{self, TokenText};
use super::store::{self, Standing};
use crate::keys::Keys;
use crate::rights::{self, Held};

/// Seconds an access token lives.
const LIFETIME: Duration = Duration::seconds(60);
/// Uses closer together than this are noted as one.
const SAMPLE: Duration = Duration::seconds(60);
const SYSTEM_ADMINISTRATOR: &str = "system-administrator";

/// Makes access tokens from API tokens.
#[derive(Clone)]
pub(crate) struct TokenExchange {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) keys: Keys,
}

impl TokenExchange {
    /// An access token for what the API token may still do, and its end.
    ///
    /// # Errors
    /// `auth.api_token_invalid` for whatever ended it, `tenant.suspended`, and
    /// `auth.second_factor_required` where its tenant asks for more than it was made with.
    pub(crate) async fn exchange(&self, text: &str) -> Result<(String, OffsetDateTime), Fault> {
        let refused = || Fault::new(Code::AuthApiTokenInvalid);
        let token = TokenText::parse(format::API_TOKEN, text).ok_or_else(refused)?;
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let standing = store::standing(&mut tx, token.id()).await?.ok_or_else(refused)?;
        constant_time::verify_slices_are_equal(&standing.token_hash, &token.hash())
            .map_err(|_e| refused())?;
        let held = rights::held(&mut tx, standing.tenant_id, standing.principal_id, now).await?;
        let claims = claims(&standing, &held, [token.id(), self.ids.uuid7()], now)?;
        if standing.last_used_at.is_none_or(|at| at + SAMPLE <= now) {
            store::touch(&mut tx, token.id(), now).await?;
        }
        tx.commit().await?;
        let ends = OffsetDateTime::from_unix_timestamp(claims.exp)
            .map_err(|e| Fault::internal("time of an access token").with_source(e))?;
        Ok((self.keys.sign(&claims)?, ends))
    }
}

/// What the token allows at this moment: its abilities, as far as its owner holds them now.
fn claims(
    standing: &Standing,
    held: &Held,
    [token, jti]: [Uuid; 2],
    now: OffsetDateTime,
) -> Result<Claims, Fault> {
    let refused = || Fault::new(Code::AuthApiTokenInvalid);
    let ends = standing.expires_at.min(now + LIFETIME);
    let ends = held.until.map_or(ends, |until| ends.min(until)).unix_timestamp();
    let lives = ends > now.unix_timestamp();
    if !lives || standing.revoked_at.is_some() || standing.disabled_at.is_some() {
        return Err(refused());
    }
    let role = match (standing.tenant_id, standing.tenant_state.as_deref()) {
        (None, _) if standing.system_administrator => SYSTEM_ADMINISTRATOR,
        (Some(_), Some("ready")) => standing.role.as_deref().ok_or_else(refused)?,
        (Some(_), Some("suspended")) => return Err(Code::TenantSuspended.into()),
        _ => return Err(refused()),
    };
    if standing.lacks_factor {
        return Err(Code::AuthSecondFactorRequired.into());
    }
    let usable = standing.abilities.iter().filter(|ability| held.permissions.contains(ability));
    Ok(Claims {
        iss: "auth".to_owned(),
        sub: format!("person:{}", standing.principal_id.as_hyphenated()),
        aud: AUDIENCE.to_owned(),
        iat: now.unix_timestamp(),
        exp: ends,
        jti,
        tenant: standing.tenant_id.map(TenantId::from_uuid),
        role: role.to_owned(),
        permissions: usable.cloned().collect(),
        api_token: Some(token),
        issued_ms: standing.read_ms,
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
            token_hash: Vec::new(),
            principal_id: Uuid::from_u128(2),
            tenant_id: Some(Uuid::from_u128(3)),
            abilities: ["devices.read", "devices.manage"].map(str::to_owned).to_vec(),
            expires_at: NOW + Duration::hours(1),
            last_used_at: None,
            revoked_at: None,
            disabled_at: None,
            system_administrator: false,
            tenant_state: Some("ready".to_owned()),
            role: Some("owner".to_owned()),
            lacks_factor: false,
            read_ms: 1,
        }
    }

    fn made(standing: &Standing) -> Result<Claims, Code> {
        made_until(standing, None)
    }

    fn made_until(standing: &Standing, until: Option<OffsetDateTime>) -> Result<Claims, Code> {
        let role = standing.role.as_deref().unwrap_or_default();
        let permissions = permissions_of(role).iter().map(|&name| name.to_owned()).collect();
        let held = Held { permissions, until };
        claims(standing, &held, [Uuid::nil(); 2], NOW).map_err(|fault| fault.code())
    }

    #[test]
    fn abilities_never_go_beyond_what_the_owner_holds_now() {
        assert_eq!(made(&standing()).unwrap().permissions, ["devices.read", "devices.manage"]);
        let viewer = Standing { role: Some("viewer".to_owned()), ..standing() };
        assert_eq!(made(&viewer).unwrap().permissions, ["devices.read"]);
        let unknown = Standing { role: Some("nobody".to_owned()), ..standing() };
        assert!(made(&unknown).unwrap().permissions.is_empty());
    }

    #[test]
    fn access_token_names_the_api_token_and_ends_with_it() {
        let short = Standing { expires_at: NOW + Duration::seconds(7), ..standing() };
        let claims = made(&short).unwrap();
        assert_eq!((claims.exp - claims.iat, claims.sid), (7, None));
        assert_eq!(claims.grant().api_token, Some(Uuid::nil()));
    }

    #[test]
    fn access_token_never_outlives_the_next_change_of_its_owners_rights() {
        let claims = made_until(&standing(), Some(NOW + Duration::seconds(3))).unwrap();
        assert_eq!(claims.exp - claims.iat, 3);
    }

    #[test]
    fn whatever_ended_the_token_ends_it_here() {
        for ended in [
            Standing { expires_at: NOW, ..standing() },
            Standing { revoked_at: Some(NOW), ..standing() },
            Standing { disabled_at: Some(NOW), ..standing() },
            Standing { role: None, ..standing() },
            Standing { tenant_state: Some("closed".to_owned()), ..standing() },
            Standing { tenant_id: None, tenant_state: None, ..standing() },
        ] {
            assert_eq!(made(&ended).err(), Some(Code::AuthApiTokenInvalid), "{ended:?}");
        }
        let suspended = Standing { tenant_state: Some("suspended".to_owned()), ..standing() };
        assert_eq!(made(&suspended).err(), Some(Code::TenantSuspended));
        let weak = Standing { lacks_factor: true, ..standing() };
        assert_eq!(made(&weak).err(), Some(Code::AuthSecondFactorRequired));
    }
}
