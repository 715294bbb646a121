//! Codes become grants, refresh tokens their successors, and both an end.

use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::PublicClaims;
use yard_fault::{Code, Fault};
use yard_ids::SessionId;
use yard_pg::{Actor, PlatformTx};

use super::Issuer;
use super::answer::{Failure, OauthError};
use super::family::{self, Step};
use super::scope;
use super::store::{self, CodeRow, NewFamily, Standing};
use crate::tokens::format::{REFRESH_TOKEN, TokenText};
use crate::{secrets, telemetry};

/// Begins a code.
pub(super) const CODE: &str = "yac_";
/// How long a client's access token lives.
const ACCESS: Duration = Duration::minutes(5);
/// What a successor is sealed for; the family's id is bound to it.
const SUCCESSOR: &str = "refresh-successor";

/// What the token endpoint answers.
#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

/// Who was signed in, and how, for the client (OpenID Connect Core section 2).
#[derive(Debug, Serialize)]
struct IdClaims<'s> {
    iss: &'s str,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    auth_time: i64,
    amr: &'s [String],
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'s str>,
}

/// How a client redeems a code.
pub(super) struct Redeemed<'f> {
    pub(super) client: Uuid,
    pub(super) code: &'f str,
    pub(super) verifier: &'f str,
    pub(super) redirect_uri: &'f str,
}

/// What may have been stolen was used: whose it was.
pub(super) struct Reuse(pub(super) Box<Standing>);

/// Nothing, or something for the audit trail.
pub(super) type Told = Option<Reuse>;

impl Issuer {
    /// Makes a grant of a code. A code is good for one try.
    pub(super) async fn redeem(&self, asked: &Redeemed<'_>) -> (Result<Tokens, Failure>, Told) {
        let mut told = None;
        let done = self.redeem_telling(asked, &mut told).await;
        (done, told)
    }

    async fn redeem_telling(
        &self,
        asked: &Redeemed<'_>,
        told: &mut Told,
    ) -> Result<Tokens, Failure> {
        let (now, hash) = (self.0.clock.now(), secrets::sha256(asked.code));
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let code = store::code(&mut tx, &hash).await?.ok_or_else(OauthError::invalid_grant)?;
        if code.used_at.is_some() {
            if let Some(session) = code.session_id {
                *told = self.end_reused(tx, session, now).await?;
            }
            return Err(OauthError::invalid_grant().into());
        }
        if code.expires_at <= now || !fits(&code, asked) {
            store::use_code(&mut tx, &hash, None, now).await?;
            tx.commit().await?;
            return Err(OauthError::invalid_grant().into());
        }
        let (session, refresh) = self.open(&mut tx, &code, now).await?;
        store::use_code(&mut tx, &hash, Some(session), now).await?;
        let standing = standing(&mut tx, session, now).await?;
        let mut tokens = self.tokens(&standing, &standing.scopes, now)?;
        tx.commit().await?;
        if scope::has(&standing.scopes, scope::OPENID) {
            tokens.id_token = Some(self.id_token(&standing, code.nonce.as_deref(), now)?);
        }
        tokens.refresh_token = refresh.map(|text| text.expose().to_owned());
        telemetry::grant("opened");
        Ok(tokens)
    }

    /// A session and a family for what a code stands for.
    async fn open(
        &self,
        tx: &mut PlatformTx,
        code: &CodeRow,
        now: OffsetDateTime,
    ) -> Result<(Uuid, Option<TokenText>), Fault> {
        let id = Uuid::from_bytes(secrets::random::<16>()?);
        let offline = scope::has(&code.scopes, scope::OFFLINE);
        let refresh = offline.then(|| TokenText::generate(REFRESH_TOKEN, id)).transpose()?;
        let life = if offline { family::IDLE } else { ACCESS };
        let family = NewFamily {
            id,
            session_id: self.0.ids.uuid7(),
            session_hash: secrets::random()?,
            code,
            created_at: now,
            expires_at: now + life,
            ends_at: now + if offline { family::ABSOLUTE } else { ACCESS },
            leaf_hash: refresh.as_ref().map(TokenText::hash),
        };
        store::insert_family(tx, &family).await?;
        Ok((family.session_id, refresh))
    }

    /// Gives the successor of a refresh token; `wanted` narrows what the access token may do.
    pub(super) async fn refresh(
        &self,
        client: Uuid,
        token: &str,
        wanted: Option<&str>,
    ) -> (Result<Tokens, Failure>, Told) {
        let mut told = None;
        let done = self.refresh_telling(client, token, wanted, &mut told).await;
        (done, told)
    }

    async fn refresh_telling(
        &self,
        client: Uuid,
        token: &str,
        wanted: Option<&str>,
        told: &mut Told,
    ) -> Result<Tokens, Failure> {
        let refused = OauthError::invalid_grant;
        let shown = TokenText::parse(REFRESH_TOKEN, token).ok_or_else(refused)?;
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let family = store::family(&mut tx, shown.id()).await?.ok_or_else(refused)?;
        // Under the lock: whoever held it before has set an earlier time.
        let now = self.0.clock.now();
        let standing = standing(&mut tx, family.session_id, now).await?;
        let scopes = narrowed(&standing.scopes, wanted)?;
        let aad = shown.id();
        let successor = match family::step(&family, &shown.hash(), client, now) {
            Step::Reuse => {
                *told = self.end_reused(tx, family.session_id, now).await?;
                return Err(refused().into());
            }
            Step::Repeat => {
                let sealed = family.successor_sealed.as_deref().unwrap_or_default();
                let text = self.0.sealer.open(SUCCESSOR, aad.as_bytes(), sealed)?;
                telemetry::grant("repeated");
                String::from_utf8(text).map_err(|e| Fault::internal("successor").with_source(e))?
            }
            Step::Rotate => {
                let next = TokenText::generate(REFRESH_TOKEN, aad)?;
                let text = next.expose().to_owned();
                let sealed = self.0.sealer.seal(SUCCESSOR, aad.as_bytes(), text.as_bytes())?;
                let until = (now, family::end_after_use(&family, now));
                store::rotate(&mut tx, aad, &next.hash(), &sealed, until).await?;
                telemetry::grant("refreshed");
                text
            }
        };
        let mut tokens = self.tokens(&standing, &scopes, now)?;
        tx.commit().await?;
        tokens.refresh_token = Some(successor);
        Ok(tokens)
    }

    /// Ends the grant of a refresh token or access token. A token that is none, or that has ended
    /// already, is ended all the same (RFC 7009 section 2.2).
    pub(super) async fn revoke(&self, client: Uuid, token: &str) -> Result<(), Failure> {
        let now = self.0.clock.now();
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let session = if Self::is_access_token(token) {
            self.read_access(token, now).ok().map(|claims| claims.sid.uuid())
        } else if let Some(shown) = TokenText::parse(REFRESH_TOKEN, token) {
            store::family(&mut tx, shown.id()).await?.map(|family| family.session_id)
        } else {
            None
        };
        let Some(session) = session else { return Ok(()) };
        let standing = store::standing(&mut tx, session).await?;
        let own = standing.filter(|standing| standing.client_id == client);
        let foreign = || OauthError::new("invalid_grant", "the token is of another client");
        own.ok_or_else(foreign)?;
        store::end(&mut tx, session, now).await?;
        tx.commit().await?;
        self.0.nudge.now();
        telemetry::grant("revoked");
        Ok(())
    }

    async fn end_reused(
        &self,
        mut tx: PlatformTx,
        session: Uuid,
        now: OffsetDateTime,
    ) -> Result<Told, Fault> {
        let standing = store::standing(&mut tx, session).await?;
        let lived = standing.filter(|standing| standing.revoked_at.is_none());
        store::end(&mut tx, session, now).await?;
        tx.commit().await?;
        self.0.nudge.now();
        telemetry::grant("reused");
        Ok(lived.map(|standing| Reuse(Box::new(standing))))
    }

    fn tokens(
        &self,
        standing: &Standing,
        scopes: &[String],
        now: OffsetDateTime,
    ) -> Result<Tokens, Fault> {
        let ends = standing.expires_at.min(now + ACCESS).unix_timestamp();
        let issuer = self.url()?.to_owned();
        let claims = PublicClaims {
            sub: standing.principal_id.as_hyphenated().to_string(),
            aud: issuer.clone(),
            iss: issuer,
            client_id: standing.client_id,
            iat: now.unix_timestamp(),
            exp: ends,
            jti: self.0.ids.uuid7(),
            scope: scopes.join(" "),
            sid: SessionId::from_uuid(standing.session_id),
            auth_time: standing.auth_time.unix_timestamp(),
        };
        Ok(Tokens {
            access_token: self.0.keys.sign_public(&claims)?,
            token_type: "Bearer",
            expires_in: ends - now.unix_timestamp(),
            scope: claims.scope,
            refresh_token: None,
            id_token: None,
        })
    }

    fn id_token(
        &self,
        standing: &Standing,
        nonce: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<String, Fault> {
        let may = |scope: &str| scope::has(&standing.scopes, scope);
        let claims = IdClaims {
            iss: self.url()?,
            sub: standing.principal_id.as_hyphenated().to_string(),
            aud: standing.client_id.as_hyphenated().to_string(),
            iat: now.unix_timestamp(),
            exp: (now + ACCESS).unix_timestamp(),
            auth_time: standing.auth_time.unix_timestamp(),
            amr: &standing.amr,
            sid: standing.session_id.as_hyphenated().to_string(),
            nonce,
            name: may(scope::PROFILE).then_some(standing.display_name.as_str()),
            email: may(scope::EMAIL).then_some(standing.email.as_str()),
        };
        self.0.keys.sign_id_token(&claims)
    }

    /// Verifies an access token of a client.
    pub(super) fn read_access(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<PublicClaims, Fault> {
        let issuer = self.url().map_err(|_none| Fault::new(Code::AuthTokenInvalid))?;
        Ok(PublicClaims::verify(token, &self.0.keys.published(), issuer, now)?)
    }
}

/// Whether a code was handed out for this: to the client, by this way, to who holds the verifier.
fn fits(code: &CodeRow, asked: &Redeemed<'_>) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let well_formed =
        (43..=128).contains(&asked.verifier.len()) && asked.verifier.bytes().all(letter);
    let challenge = URL_SAFE_NO_PAD.encode(secrets::sha256(asked.verifier));
    let proved = constant_time::verify_slices_are_equal(
        challenge.as_bytes(),
        code.code_challenge.as_bytes(),
    );
    well_formed
        && proved.is_ok()
        && code.client_id == asked.client
        && code.redirect_uri == asked.redirect_uri
}

/// What the grant is worth now.
async fn standing(
    tx: &mut PlatformTx,
    session: Uuid,
    now: OffsetDateTime,
) -> Result<Standing, Failure> {
    let standing = store::standing(tx, session).await?;
    let stands = standing.filter(|standing| standing.role_now(now).is_ok());
    Ok(stands.ok_or_else(OauthError::invalid_grant)?)
}

fn narrowed(granted: &[String], wanted: Option<&str>) -> Result<Vec<String>, OauthError> {
    let Some(wanted) = wanted else { return Ok(granted.to_vec()) };
    let wanted: Vec<&str> = wanted.split(' ').filter(|scope| !scope.is_empty()).collect();
    if wanted.iter().any(|scope| !scope::has(granted, scope)) {
        return Err(OauthError::new("invalid_scope", "more than was granted"));
    }
    Ok(granted.iter().filter(|scope| wanted.contains(&scope.as_str())).cloned().collect())
}

impl Standing {
    /// The role in which the person is in the tenant at this moment.
    ///
    /// # Errors
    /// `auth.session_expired` for whatever ended the grant, `tenant.suspended`.
    pub(super) fn role_now(&self, now: OffsetDateTime) -> Result<&str, Fault> {
        let expired = || Fault::new(Code::AuthSessionExpired);
        let lives = self.expires_at.unix_timestamp() > now.unix_timestamp();
        let ended = [self.revoked_at, self.disabled_at, self.client_deleted_at];
        if !lives || ended.iter().any(Option::is_some) {
            return Err(expired());
        }
        match self.tenant_state.as_str() {
            "ready" => self.role.as_deref().ok_or_else(expired),
            "suspended" => Err(Code::TenantSuspended.into()),
            _ => Err(expired()),
        }
    }
}
