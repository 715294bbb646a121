use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_authn::{Call, password};
use yard_contracts::identity::v1::PasskeyRequestOptions;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, PrincipalId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::exchange::SYSTEM_ADMINISTRATOR;
use super::store::{self, Account, Membership};
use super::throttle::Attempt;
use super::{Client, Opener, Opening, Passwords, SessionToken, Throttle};
use crate::challenges::ChallengeToken;
use crate::factors::{Enrolled, Factors};
use crate::mail::{Address, Post};
use crate::telemetry;

const LONGEST_EMAIL: usize = 254;
const LONGEST_SLUG: usize = 63;

/// Opens sessions for those who know a password and, if they have one, show a second factor.
#[derive(Clone)]
pub(crate) struct Login(pub(super) Arc<LoginParts>);

/// What [`Login`] works with.
pub(crate) struct LoginParts {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) factors: Factors,
    pub(crate) opener: Opener,
    pub(crate) post: Post,
}

/// What someone offers to sign in with, checked for form only.
pub(super) struct Credentials {
    email: String,
    password: String,
    tenant: Option<String>,
    client: Client,
}

/// What a right password leads to.
pub(super) enum SignIn {
    Opened(Box<Opened>),
    Challenged(Challenged),
}

/// A second factor has to be shown.
pub(super) struct Challenged {
    pub(super) token: ChallengeToken,
    pub(super) expires_at: OffsetDateTime,
    pub(super) enrolled: Enrolled,
    /// What to ask a browser for, where there is a passkey.
    pub(super) passkey: Option<PasskeyRequestOptions>,
}

/// A new session.
pub(super) struct Opened {
    pub(super) token: SessionToken,
    pub(super) expires_at: OffsetDateTime,
    pub(super) account: Account,
    pub(super) place: Place,
    pub(super) amr: Vec<String>,
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

    pub(super) const fn tenant(&self) -> Option<Uuid> {
        match self {
            Self::Tenant(membership) => Some(membership.tenant_id),
            Self::Platform => None,
        }
    }

    pub(super) const fn requires_factor(&self) -> bool {
        match self {
            Self::Tenant(membership) => membership.second_factor_required,
            Self::Platform => false,
        }
    }
}

impl Credentials {
    /// An empty `tenant` means: the only one the person is in.
    pub(super) fn new(
        email: &str,
        password: String,
        tenant: String,
        client: Client,
    ) -> Result<Self, Fault> {
        let wrong = |field: &str, problem: &str| {
            Err(Fault::invalid(format!("{field} {problem}")).with_pointer(format!("/{field}")))
        };
        let email = Address::typed(email);
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if !email.contains('@') || email.len() > LONGEST_EMAIL || email.contains(odd) {
            return wrong("email", "has to be an e-mail address of at most 254 bytes");
        }
        if password.is_empty() || password.len() > password::LONGEST {
            return wrong("password", "has to be 1 to 1024 bytes");
        }
        let tenant = self::tenant(tenant)?;
        Ok(Self { email, password, tenant, client })
    }
}

/// The slug of a tenant; none when it is left out.
pub(super) fn tenant(slug: String) -> Result<Option<String>, Fault> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if slug.len() > LONGEST_SLUG || !slug.bytes().all(plain) {
        let rule = "tenant has to be a slug of lower-case letters, digits and hyphens";
        return Err(Fault::invalid(rule).with_pointer("/tenant"));
    }
    Ok((!slug.is_empty()).then_some(slug))
}

impl Login {
    pub(crate) fn new(parts: LoginParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Checks the credentials, and opens a session unless a second factor is enrolled. An unknown
    /// e-mail, a wrong password, a disabled person and a tenant that is not theirs get the same
    /// answer after the same work; that there is a second factor shows after a right password only.
    ///
    /// # Errors
    /// `auth.invalid_credentials`, `auth.throttled`; only after a right password
    /// `tenant.suspended` and the question for the tenant.
    pub(super) async fn login(
        &self,
        credentials: Credentials,
        call: &Call,
    ) -> Result<SignIn, Fault> {
        let done = self.attempt(credentials, call).await;
        telemetry::login(match &done {
            Ok(SignIn::Opened(_)) => "opened",
            Ok(SignIn::Challenged(_)) => "challenged",
            Err(fault) => outcome(fault.code()),
        });
        done
    }

    async fn attempt(&self, credentials: Credentials, call: &Call) -> Result<SignIn, Fault> {
        let Credentials { email, password, tenant, client } = credentials;
        let attempt = Attempt::new(&email, client.source());
        self.0.throttle.admit(&attempt).await?;
        let (account, memberships) = self.find(&email).await?;
        note_attempt(call, account.as_ref(), &memberships, tenant.as_deref());
        let hash = account.as_ref().map(|account| account.password_hash.clone());
        let right = self.0.passwords.verify(password, hash).await?;
        let account = account.filter(|account| right && account.disabled_at.is_none());
        let account = account.ok_or_else(|| Fault::new(Code::AuthInvalidCredentials))?;
        let place = choose(account.system_administrator, memberships, tenant.as_deref())?;
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::person(account.principal_id)).await?;
        if !store::password_stands(&mut tx, &account).await? {
            return Err(Code::AuthInvalidCredentials.into());
        }
        let enrolled = self.0.factors.enrolled(&mut tx, account.principal_id).await?;
        if enrolled.asked_for() {
            // The password alone makes no address one of the owner's, nor its count new.
            let challenged = self.challenge(&mut tx, &account, &place, enrolled).await?;
            tx.commit().await?;
            return Ok(SignIn::Challenged(challenged));
        }
        let amr = vec!["pwd".to_owned()];
        let opened = self.open(&mut tx, account, place, amr, &client).await?;
        tx.commit().await?;
        self.0.throttle.passed(&attempt).await;
        Ok(SignIn::Opened(Box::new(opened)))
    }

    async fn find(&self, email: &str) -> Result<(Option<Account>, Vec<Membership>), Fault> {
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let account = store::account(&mut tx, email).await?;
        let memberships = store::memberships(&mut tx, email).await?;
        tx.commit().await?;
        Ok((account, memberships))
    }

    pub(super) async fn open(
        &self,
        tx: &mut PlatformTx,
        account: Account,
        place: Place,
        amr: Vec<String>,
        client: &Client,
    ) -> Result<Opened, Fault> {
        let opening = Opening {
            person: account.principal_id,
            tenant: place.tenant(),
            auth_time: self.0.clock.now(),
            amr: &amr,
            ends: None,
            client,
            provider: None,
        };
        let opened = self.0.opener.open(tx, &opening).await?;
        Ok(Opened { token: opened.token, expires_at: opened.expires_at, account, place, amr })
    }
}

/// How a sign-in ended, as counted.
pub(super) const fn outcome(code: Code) -> &'static str {
    match code {
        Code::AuthInvalidCredentials => "invalid",
        Code::AuthFactorInvalid => "factor_invalid",
        Code::AuthChallengeExpired => "challenge_expired",
        Code::AuthThrottled => "throttled",
        Code::TenantSuspended => "suspended",
        Code::RequestInvalid => "tenant_missing",
        _ => "failed",
    }
}

/// Tells the audit trail whom someone tries to be, and in which tenant if that is clear. Who is
/// unknown is not named: what was typed may be anyone's.
pub(super) fn note_attempt(
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
pub(super) fn choose(
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
    use super::*;

    fn in_tenant(slug: &str, state: &str) -> Membership {
        Membership {
            tenant_id: Uuid::nil(),
            slug: slug.to_owned(),
            name: slug.to_owned(),
            state: state.to_owned(),
            role: "viewer".to_owned(),
            second_factor_required: false,
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
            let made =
                Credentials::new(email, password.to_owned(), tenant.to_owned(), Client::default());
            made.err().and_then(|fault| fault.pointer().map(str::to_owned)).unwrap_or_default()
        };
        assert_eq!(pointer(" Ann@Example.org ", "x", ""), "");
        assert_eq!(pointer("ann@bücher.example", "x", ""), "");
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
