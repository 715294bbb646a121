use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::access::v1::{Policy, Scope};
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, SessionId, TenantId};

use crate::token::Claims;

/// How far auth's clock may be ahead of ours, seconds.
const CLOCKS_APART: i64 = 5;

/// Who makes a call, as proved by the access token.
#[derive(Debug, Clone)]
pub struct Caller(Option<Arc<Claims>>);

impl Caller {
    /// Nobody; only public methods are open.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self(None)
    }

    /// From a verified token.
    #[must_use]
    pub fn verified(claims: Claims) -> Self {
        Self(Some(Arc::new(claims)))
    }

    /// `person:<uuid>`, `service:<name>` or `anonymous`.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.as_ref().map_or("anonymous", |c| c.sub.as_str())
    }

    /// The tenant the caller's session is in.
    ///
    /// # Errors
    /// `auth.tenant_required` outside a tenant.
    pub fn tenant(&self) -> Result<TenantId, Fault> {
        let claims = self.0.as_ref().ok_or_else(|| Fault::new(Code::AuthRequired))?;
        claims.tenant.ok_or_else(|| Fault::new(Code::AuthTenantRequired))
    }

    /// The caller's tenant, if any.
    #[must_use]
    pub fn tenant_opt(&self) -> Option<TenantId> {
        self.0.as_ref().and_then(|c| c.tenant)
    }

    /// The person who calls.
    ///
    /// # Errors
    /// `auth.required` for services and for nobody.
    pub fn person(&self) -> Result<PrincipalId, Fault> {
        let id = self.subject().strip_prefix("person:").and_then(|id| Uuid::try_parse(id).ok());
        id.map(PrincipalId::from_uuid).ok_or_else(|| Fault::new(Code::AuthRequired))
    }

    /// The session the token came from.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.0.as_ref().and_then(|c| c.sid)
    }

    /// Role name, for display.
    #[must_use]
    pub fn role(&self) -> &str {
        self.0.as_ref().map_or("", |c| c.role.as_str())
    }

    /// What of the caller's right to be here can be withdrawn; `None` for nobody.
    #[must_use]
    pub fn grant(&self) -> Option<crate::Grant> {
        self.0.as_ref().map(|claims| claims.grant())
    }

    /// The API token the caller came by, if by one.
    #[must_use]
    pub fn api_token(&self) -> Option<Uuid> {
        self.0.as_ref().and_then(|c| c.api_token)
    }

    /// The entry by which a system administrator is in the tenant, if it is one.
    #[must_use]
    pub fn break_glass(&self) -> Option<Uuid> {
        self.0.as_ref().and_then(|c| c.break_glass)
    }

    /// When the token was made, Unix seconds; `None` for nobody.
    #[must_use]
    pub fn issued_at(&self) -> Option<i64> {
        self.0.as_ref().map(|c| c.iat)
    }

    /// When the token ends, Unix seconds; `None` for nobody.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        self.0.as_ref().map(|c| c.exp)
    }

    /// The OAuth client that acts for the caller, if one does.
    #[must_use]
    pub fn client(&self) -> Option<Uuid> {
        self.0.as_ref().and_then(|c| c.client)
    }

    /// The tenant's identity provider that said who the caller is, if one did.
    #[must_use]
    pub fn identity_provider(&self) -> Option<Uuid> {
        self.0.as_ref().and_then(|c| c.provider)
    }

    /// When the caller last proved who they are, Unix seconds; `None` for services.
    #[must_use]
    pub fn auth_time(&self) -> Option<i64> {
        self.0.as_ref().and_then(|c| c.auth_time)
    }

    /// How the caller proved who they are (RFC 8176).
    #[must_use]
    pub fn amr(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |c| c.amr.as_slice())
    }

    /// Whether the caller still has to show the second factor that the tenant requires.
    #[must_use]
    pub fn lacks_factor(&self) -> bool {
        self.0.as_ref().is_some_and(|c| c.lacks_factor)
    }

    /// What the caller may do.
    #[must_use]
    pub fn permissions(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |c| c.permissions.as_slice())
    }

    /// Whether the caller holds a permission.
    #[must_use]
    pub fn has(&self, permission: &str) -> bool {
        self.permissions().iter().any(|held| held == permission)
    }

    /// Whether a policy lets this caller in.
    ///
    /// # Errors
    /// `auth.required`, `auth.tenant_required`, `auth.session_required`,
    /// `auth.own_sign_in_required`, `auth.second_factor_required` or `auth.forbidden`.
    pub fn admit(&self, policy: &Policy) -> Result<(), Fault> {
        if policy.scope() == Scope::Public {
            return Ok(());
        }
        let claims = self.0.as_ref().ok_or_else(|| Fault::new(Code::AuthRequired))?;
        if claims.lacks_factor && !policy.before_second_factor {
            return Err(Code::AuthSecondFactorRequired.into());
        }
        let service = claims.sub.strip_prefix("service:");
        let allowed = match policy.scope() {
            Scope::Tenant => {
                self.tenant()?;
                self.has(&policy.permission)
            }
            Scope::Platform => claims.tenant.is_none() && self.has(&policy.permission),
            Scope::Self_
                if !policy.api_tokens
                    && (claims.api_token.is_some() || claims.client.is_some()) =>
            {
                return Err(Code::AuthSessionRequired.into());
            }
            Scope::Self_ if !policy.provider_sessions && claims.provider.is_some() => {
                return Err(Code::AuthOwnSignInRequired.into());
            }
            Scope::Self_ => service.is_none(),
            Scope::Internal => service.is_some_and(|name| policy.callers.iter().any(|c| c == name)),
            Scope::Public | Scope::Unspecified => false,
        };
        allowed.then_some(()).ok_or_else(|| Fault::new(Code::AuthForbidden))
    }

    /// Whether the caller proved who they are recently enough for a policy. A time that is not
    /// known is not recent, nor is one that is still to come. What a tenant's identity provider
    /// says of it counts for what is done in the tenant.
    ///
    /// # Errors
    /// `auth.step_up_required` with the age that is asked for, `auth.own_sign_in_required`.
    pub fn admit_age(&self, policy: &Policy, now: OffsetDateTime) -> Result<(), Fault> {
        let most = policy.max_auth_age_seconds;
        if most == 0 {
            return Ok(());
        }
        if self.identity_provider().is_some() && policy.scope() != Scope::Tenant {
            return Err(Code::AuthOwnSignInRequired.into());
        }
        let age = self.auth_time().and_then(|time| now.unix_timestamp().checked_sub(time));
        if age.is_some_and(|age| (-CLOCKS_APART..=i64::from(most)).contains(&age)) {
            return Ok(());
        }
        let text = format!("This needs a proof of who you are that is at most {most} s old.");
        Err(Fault::new(Code::AuthStepUpRequired).with_public(text).with_max_auth_age(most))
    }
}
