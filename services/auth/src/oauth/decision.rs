//! A person lets a client act for them, or does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::{Duration, OffsetDateTime};
use yard_authn::Caller;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx};

use super::answer::OauthError;
use super::grant::CODE;
use super::request::{self, Addressed, Asked};
use super::store::{self, Client, CodeRow};
use super::{Issuer, scope};
use crate::secrets;

/// A code is good for so long.
const CODE_LIFE: Duration = Duration::seconds(60);
/// As long as a used code is known as such.
const CODES_KEPT: Duration = Duration::days(1);
/// How far auth's clock may be behind that of who signed the person in, seconds.
const CLOCKS_APART: i64 = 5;

/// A request that may be decided on by this caller.
pub(super) struct Open {
    pub(super) client: Client,
    pub(super) addressed: Addressed,
    pub(super) asked: Asked,
}

impl Open {
    /// Whether the person is asked.
    pub(super) fn needs_consent(&self) -> bool {
        !self.client.first_party || self.asked.consent
    }
}

impl Issuer {
    /// Reads a request as the caller may see it.
    ///
    /// # Errors
    /// `resource.not_found` for a client that is not of the caller's tenant, `request.invalid`.
    pub(super) async fn open_request(&self, query: &str, caller: &Caller) -> Result<Open, Fault> {
        self.url()?;
        let tenant = caller.tenant()?;
        let none = || Fault::new(Code::ResourceNotFound);
        let id = request::client_of(query).ok_or_else(none)?;
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::of_subject(caller.subject())).await?;
        let client = store::client(&mut tx, id).await?;
        tx.commit().await?;
        let client = client.filter(|client| client.tenant_id == tenant.uuid()).ok_or_else(none)?;
        let wrong = |text: &str| Fault::invalid(text.to_owned()).with_pointer("/query");
        let addressed = Addressed::of(query, &client)
            .ok_or_else(|| wrong("redirect_uri is not one of the client's"))?;
        let asked = addressed.read(&client).map_err(|error| wrong(&error.description))?;
        Ok(Open { client, addressed, asked })
    }

    /// Where the browser goes with the person's answer.
    ///
    /// # Errors
    /// `auth.step_up_required` when the client wants a newer proof of who the person is.
    pub(super) async fn decide(
        &self,
        open: &Open,
        approve: bool,
        caller: &Caller,
    ) -> Result<String, Fault> {
        let issuer = self.url()?;
        if !approve {
            let denied = OauthError::new("access_denied", "the person does not want it");
            return Ok(open.addressed.back_with(issuer, &denied));
        }
        let now = self.0.clock.now();
        let auth_time = proved(&open.asked, caller, now)?;
        let session = caller.session().ok_or_else(|| Fault::new(Code::AuthSessionRequired))?;
        let code = format!("{CODE}{}", URL_SAFE_NO_PAD.encode(secrets::random::<32>()?));
        let row = CodeRow {
            tenant_id: open.client.tenant_id,
            client_id: open.client.id,
            principal_id: caller.person()?.uuid(),
            browser_session_id: session.uuid(),
            redirect_uri: open.addressed.redirect_uri.clone(),
            code_challenge: open.asked.code_challenge.clone(),
            scopes: usable(&open.asked.scopes, caller),
            nonce: open.asked.nonce.clone(),
            auth_time,
            amr: caller.amr().to_vec(),
            expires_at: now + CODE_LIFE,
            used_at: None,
            session_id: None,
        };
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::of_subject(caller.subject())).await?;
        store::insert_code(&mut tx, &secrets::sha256(&code), &row, now - CODES_KEPT).await?;
        tx.commit().await?;
        Ok(open.addressed.back(issuer, &[("code", &code)]))
    }
}

/// When the caller proved who they are, if that is recent enough for the client.
fn proved(asked: &Asked, caller: &Caller, now: OffsetDateTime) -> Result<OffsetDateTime, Fault> {
    let at = caller.auth_time().unwrap_or_default();
    if let Some(most) = asked.max_age {
        let age = now.unix_timestamp().saturating_sub(at);
        if !(-CLOCKS_APART..=i64::from(most)).contains(&age) {
            let text =
                format!("The application wants a proof of who you are of the last {most} s.");
            let fault = Fault::new(Code::AuthStepUpRequired).with_public(text);
            return Err(fault.with_max_auth_age(most));
        }
    }
    OffsetDateTime::from_unix_timestamp(at)
        .map_err(|e| Fault::internal("time of a sign-in").with_source(e))
}

/// Identity, and the permissions that the caller holds: a client is not told of others.
pub(super) fn usable(scopes: &[String], caller: &Caller) -> Vec<String> {
    let may = |scope: &&String| scope::IDENTITY.contains(&scope.as_str()) || caller.has(scope);
    scopes.iter().filter(may).cloned().collect()
}
