use std::net::IpAddr;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use yard_authn::{Call, password};
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource, PrincipalId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::exchange::SYSTEM_ADMINISTRATOR;
use super::store::{self, Account, Membership, NewSession};
use super::throttle::Attempt;
use super::{Passwords, SessionToken, Throttle};
use crate::telemetry;

const LONGEST_EMAIL: usize = 254;
const LONGEST_SLUG: usize = 63;

/// Opens sessions for those who know a password.
#[derive(Clone)]
pub(crate) struct Login(Arc<LoginParts>);

/// What [`Login`] works with.
pub(crate) struct LoginParts {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) lifetime: Duration,
}

/// What someone offers to sign in with, checked for form only.
pub(super) struct Credentials {
    email: String,
    password: String,
    tenant: Option<String>,
    source: Option<IpAddr>,
}

/// A new session.
pub(super) struct Opened {
    pub(super) token: SessionToken,
    pub(super) expires_at: OffsetDateTime,
    pub(super) account: Account,
    pub(super) place: Place,
}

/// Where a session is: in a tenant, or on the platform.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Tenant(Membership),
    Platform,
}

impl Place {
    pub(super) fn role(&self) -> &str {
        match self {
            Self::Tenant(membership) => &membership.role,
            Self::Platform => SYSTEM_ADMINISTRATOR,
        }
    }
}

impl Credentials {
    /// An empty `tenant` means: the only one the person is in.
    pub(super) fn new(
        email: &str,
        password: String,
        tenant: String,
        source: Option<IpAddr>,
    ) -> Result<Self, Fault> {
        let wrong = |field: &str, problem: &str| {
            Err(Fault::invalid(format!("{field} {problem}")).with_pointer(format!("/{field}")))
        };
        let email = email.trim().to_lowercase();
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if !email.contains('@') || email.len() > LONGEST_EMAIL || email.contains(odd) {
            return wrong("email", "has to be an e-mail address of at most 254 bytes");
        }
        if password.is_empty() || password.len() > password::LONGEST {
            return wrong("password", "has to be 1 to 1024 bytes");
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if tenant.len() > LONGEST_SLUG || !tenant.bytes().all(plain) {
            return wrong("tenant", "has to be a slug of lower-case letters, digits and hyphens");
        }
        let tenant = (!tenant.is_empty()).then_some(tenant);
        Ok(Self { email, password, tenant, source })
    }
}

impl Login {
    pub(crate) fn new(parts: LoginParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Checks the credentials and opens a session. An unknown e-mail, a wrong password, a disabled
    /// person and a tenant that is not theirs get the same answer after the same work.
    ///
    /// # Errors
    /// `auth.invalid_credentials`, `auth.throttled`; only after a right password
    /// `tenant.suspended` and the question for the tenant.
    pub(super) async fn login(
        &self,
        credentials: Credentials,
        call: &Call,
    ) -> Result<Opened, Fault> {
        let done = self.attempt(credentials, call).await;
        telemetry::login(match &done {
            Ok(_) => "opened",
            Err(fault) => match fault.code() {
                Code::AuthInvalidCredentials => "invalid",
                Code::AuthThrottled => "throttled",
                Code::TenantSuspended => "suspended",
                Code::RequestInvalid => "tenant_missing",
                _ => "failed",
            },
        });
        done
    }

    async fn attempt(&self, credentials: Credentials, call: &Call) -> Result<Opened, Fault> {
        let Credentials { email, password, tenant, source } = credentials;
        let attempt = Attempt::new(&email, source);
        self.0.throttle.admit(&attempt).await?;
        let (account, memberships) = self.find(&email).await?;
        note_attempt(call, account.as_ref(), &memberships, tenant.as_deref());
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let right = self.0.passwords.verify(password, hash).await?;
        let account = account.filter(|account| right && account.disabled_at.is_none());
        let account = account.ok_or_else(|| Fault::new(Code::AuthInvalidCredentials))?;
        let place = choose(account.system_administrator, memberships, tenant.as_deref())?;
        self.0.throttle.passed(&attempt).await;
        self.open(account, place).await
    }

    async fn find(&self, email: &str) -> Result<(Option<Account>, Vec<Membership>), Fault> {
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let account = store::account(&mut tx, email).await?;
        let memberships = store::memberships(&mut tx, email).await?;
        tx.commit().await?;
        Ok((account, memberships))
    }

    async fn open(&self, account: Account, place: Place) -> Result<Opened, Fault> {
        let token = SessionToken::generate()?;
        let now = self.0.clock.now();
        let session = NewSession {
            id: self.0.ids.uuid7(),
            token_hash: token.hash(),
            principal_id: account.principal_id,
            tenant_id: match &place {
                Place::Tenant(membership) => Some(membership.tenant_id),
                Place::Platform => None,
            },
            created_at: now,
            expires_at: now + self.0.lifetime,
        };
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::person(account.principal_id)).await?;
        store::insert(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(Opened { token, expires_at: session.expires_at, account, place })
    }
}

/// Tells the audit trail whom someone tries to be, and in which tenant if that is clear. Who is
/// unknown is not named: what was typed may be anyone's.
fn note_attempt(
    call: &Call,
    account: Option<&Account>,
    memberships: &[Membership],
    wanted: Option<&str>,
) {
    let Some(account) = account else { return };
    let person = PrincipalId::from_uuid(account.principal_id);
    let place = match (wanted, memberships) {
        (None, _) if account.system_administrator => None,
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(slug), all) => all.iter().find(|membership| membership.slug == slug),
    };
    call.note(|notes| {
        notes.subject = Some(person);
        notes.object = Some(("person".to_owned(), person.to_string()));
        notes.tenant = place.map(|membership| TenantId::from_uuid(membership.tenant_id));
    });
}

/// Which place the session shall be in.
fn choose(
    system_administrator: bool,
    memberships: Vec<Membership>,
    wanted: Option<&str>,
) -> Result<Place, Fault> {
    let membership = match wanted {
        None if system_administrator => return Ok(Place::Platform),
        None if memberships.len() > 1 => {
            let text = "tenant has to be given: you are a member of several";
            return Err(Fault::invalid(text).with_pointer("/tenant"));
        }
        None => memberships.into_iter().next(),
        Some(slug) => memberships.into_iter().find(|m| m.slug == slug),
    };
    let membership = membership.ok_or_else(|| Fault::new(Code::AuthInvalidCredentials))?;
    match membership.state.as_str() {
        "ready" => Ok(Place::Tenant(membership)),
        "suspended" => Err(Code::TenantSuspended.into()),
        _ => Err(Code::AuthInvalidCredentials.into()),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn in_tenant(slug: &str, state: &str) -> Membership {
        Membership {
            tenant_id: Uuid::nil(),
            slug: slug.to_owned(),
            name: slug.to_owned(),
            state: state.to_owned(),
            role: "viewer".to_owned(),
        }
    }

    fn chosen(admin: bool, memberships: &[Membership], wanted: Option<&str>) -> String {
        match choose(admin, memberships.to_vec(), wanted) {
            Ok(Place::Tenant(membership)) => membership.slug,
            Ok(Place::Platform) => "(platform)".to_owned(),
            Err(fault) => fault.code().as_str().to_owned(),
        }
    }

    #[test]
    fn place_follows_from_memberships_and_wish() {
        let one = [in_tenant("acme", "ready")];
        let two = [in_tenant("acme", "ready"), in_tenant("byte", "ready")];
        assert_eq!(chosen(false, &one, None), "acme");
        assert_eq!(chosen(false, &two, None), "request.invalid");
        assert_eq!(chosen(false, &two, Some("byte")), "byte");
        assert_eq!(chosen(false, &one, Some("byte")), "auth.invalid_credentials");
        assert_eq!(chosen(false, &[], None), "auth.invalid_credentials");
        assert_eq!(chosen(true, &[], None), "(platform)");
        assert_eq!(chosen(true, &[], Some("acme")), "auth.invalid_credentials");
        assert_eq!(chosen(true, &one, Some("acme")), "acme");
        let suspended = [in_tenant("acme", "suspended")];
        assert_eq!(chosen(false, &suspended, None), "tenant.suspended");
        let closed = [in_tenant("acme", "closed")];
        assert_eq!(chosen(false, &closed, None), "auth.invalid_credentials");
    }

    #[test]
    fn credentials_out_of_bounds_are_refused_before_any_work() {
        let pointer = |email: &str, password: &str, tenant: &str| {
            let made = Credentials::new(email, password.to_owned(), tenant.to_owned(), None);
            made.err().and_then(|fault| fault.pointer().map(str::to_owned)).unwrap_or_default()
        };
        assert_eq!(pointer(" Ann@Example.org ", "x", ""), "");
        let long = format!("{}@x", "a".repeat(253));
        for email in ["", "ann", "ann@\0", "a b@c", long.as_str()] {
            assert_eq!(pointer(email, "x", ""), "/email", "{email:?}");
        }
        assert_eq!(pointer("a@b", "", ""), "/password");
        assert_eq!(pointer("a@b", &"x".repeat(1_025), ""), "/password");
        for tenant in ["Acme", "a'b", "\0", &"a".repeat(64)] {
            assert_eq!(pointer("a@b", "x", tenant), "/tenant", "{tenant:?}");
        }
    }
}
