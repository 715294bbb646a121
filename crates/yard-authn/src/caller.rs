use std::sync::Arc;

use uuid::Uuid;
use yard_contracts::access::v1::{Policy, Scope};
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, SessionId, TenantId};

use crate::token::Claims;

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
    /// `auth.required`, `auth.tenant_required` or `auth.forbidden`.
    pub fn admit(&self, policy: &Policy) -> Result<(), Fault> {
        if policy.scope() == Scope::Public {
            return Ok(());
        }
        let claims = self.0.as_ref().ok_or_else(|| Fault::new(Code::AuthRequired))?;
        let service = claims.sub.strip_prefix("service:");
        let allowed = match policy.scope() {
            Scope::Tenant => {
                self.tenant()?;
                self.has(&policy.permission)
            }
            Scope::Platform => claims.tenant.is_none() && self.has(&policy.permission),
            Scope::Self_ => service.is_none(),
            Scope::Internal => service.is_some_and(|name| policy.callers.iter().any(|c| c == name)),
            Scope::Public | Scope::Unspecified => false,
        };
        allowed.then_some(()).ok_or_else(|| Fault::new(Code::AuthForbidden))
    }
}
