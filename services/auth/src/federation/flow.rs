//! One sign-in from its beginning to who somebody is.

use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use time::Duration;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx};

use super::Federation;
use super::directory::Metadata;
use super::fetch::failed;
use super::id_token::{self, Expected, Identity, refused};
use super::settings::SECRET;
use super::store::{self, Flow, Provider};
use crate::secrets;

/// A sign-in has to be completed within.
const LIFE: Duration = Duration::minutes(10);
/// For all that a provider is asked when somebody comes back: less than the gateway waits for a sign-in.
const WHOLE: std::time::Duration = std::time::Duration::from_secs(8);
const VERIFIER: &str = "federation-verifier";
const LONGEST: usize = 4_096;

/// What somebody goes to a provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    SignIn,
    /// They shall prove anew who they are there.
    SignInAnew,
    /// This person wants to be linked.
    Link(Uuid),
}

impl Why {
    const fn principal(self) -> Option<Uuid> {
        match self {
            Self::Link(person) => Some(person),
            Self::SignIn | Self::SignInAnew => None,
        }
    }
}

/// What a page is told at the beginning.
pub(super) struct Begun {
    pub(super) authorization_url: String,
    pub(super) binding: String,
}

/// What came back, and what the page kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) provider: Uuid,
    pub(super) state: &'a str,
    pub(super) code: &'a str,
    pub(super) iss: &'a str,
    pub(super) error: &'a str,
    pub(super) binding: &'a str,
}

/// The sign-in that an answer belongs to; it cannot be completed by another answer any more.
pub(super) struct Returned {
    pub(super) provider: Provider,
    flow: Flow,
    state_hash: [u8; 32],
}

/// Who somebody is by a provider's word.
pub(super) struct Proved {
    pub(super) provider: Provider,
    pub(super) identity: Identity,
    /// Who wanted to be linked.
    pub(super) principal: Option<Uuid>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    id_token: String,
    #[serde(default)]
    access_token: String,
}

impl Federation {
    /// Where a provider sends browsers back to. An address of its own for each, so that an answer of
    /// one cannot be taken for another's.
    pub(super) fn callback(&self, provider: Uuid) -> Result<String, Fault> {
        let url = self.0.url.as_str();
        if url.is_empty() {
            return Err(Code::RouteNotFound.into());
        }
        Ok(format!("{url}/sign-in/callback/{}", provider.as_hyphenated()))
    }

    pub(super) async fn provider(&self, id: Uuid) -> Result<Option<Provider>, Fault> {
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let provider = store::provider(&mut tx, id).await?;
        tx.commit().await?;
        Ok(provider)
    }

    /// Begins.
    pub(super) async fn begin(&self, provider: &Provider, why: Why) -> Result<Begun, Fault> {
        let redirect_uri = self.callback(provider.id)?;
        let place = self.0.directory.place(provider.tenant_id)?;
        let metadata = self.0.directory.metadata(&provider.issuer).await?;
        drop(place);
        let [state, binding, nonce, verifier] = [text()?, text()?, text()?, text()?];
        let (state_hash, now) = (secrets::sha256(&state), self.0.clock.now());
        let flow = Flow {
            tenant_id: provider.tenant_id,
            provider_id: provider.id,
            binding_hash: secrets::sha256(&binding).to_vec(),
            nonce: nonce.clone(),
            verifier_sealed: self.0.sealer.seal(VERIFIER, &state_hash, verifier.as_bytes())?,
            principal_id: why.principal(),
            expires_at: now + LIFE,
        };
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        store::begin(&mut tx, &state_hash, &flow, now).await?;
        tx.commit().await?;
        let challenge = URL_SAFE_NO_PAD.encode(secrets::sha256(&verifier));
        let scope = format!("openid {}", provider.scopes.join(" "));
        let mut url = self.0.directory.fetcher().url(&metadata.authorization_endpoint)?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &provider.client_id),
            ("redirect_uri", &redirect_uri),
            ("scope", scope.trim_end()),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        if why == Why::SignInAnew {
            // The first is what providers heed, the second has them say when it was.
            url.query_pairs_mut().extend_pairs([("prompt", "login"), ("max_age", "0")]);
        }
        Ok(Begun { authorization_url: url.into(), binding })
    }

    /// Finds what came back and takes it out: whatever is wrong with it, there is no second try.
    ///
    /// # Errors
    /// `federation.refused`.
    pub(super) async fn returned(&self, answer: &Answer<'_>) -> Result<Returned, Fault> {
        let (state_hash, now) = (secrets::sha256(answer.state), self.0.clock.now());
        let mut tx = PlatformTx::begin(&self.0.pg, &Actor::service("auth")).await?;
        let flow = store::take(&mut tx, &state_hash).await?;
        let provider = store::provider(&mut tx, answer.provider).await?;
        tx.commit().await?;
        let flow = flow.ok_or_else(|| refused("state"))?;
        let bound = constant_time::verify_slices_are_equal(
            &secrets::sha256(answer.binding),
            &flow.binding_hash,
        );
        if bound.is_err() || flow.expires_at <= now || flow.provider_id != answer.provider {
            return Err(refused("binding, time or provider of the sign-in"));
        }
        let provider = provider.ok_or_else(|| refused("provider"))?;
        Ok(Returned { provider, flow, state_hash })
    }

    /// Checks what came back, asks the provider, and says who it is, before the gateway gives up.
    ///
    /// # Errors
    /// `federation.refused` for whatever is wrong with the answer, `federation.provider_failed`.
    pub(super) async fn prove(
        &self,
        answer: &Answer<'_>,
        returned: Returned,
    ) -> Result<Proved, Fault> {
        let _place = self.0.directory.place(returned.provider.tenant_id)?;
        let asked = tokio::time::timeout(WHOLE, self.ask(answer, returned)).await;
        asked.unwrap_or_else(|_elapsed| Err(failed("does not answer in time")))
    }

    async fn ask(&self, answer: &Answer<'_>, returned: Returned) -> Result<Proved, Fault> {
        let Returned { provider, flow, state_hash } = returned;
        let metadata = self.0.directory.metadata(&provider.issuer).await?;
        check_answer(answer, &metadata)?;
        let verifier = self.0.sealer.open(VERIFIER, &state_hash, &flow.verifier_sealed)?;
        let verifier =
            String::from_utf8(verifier).map_err(|e| Fault::internal("verifier").with_source(e))?;
        let tokens = self.redeem(&provider, &metadata, answer.code, &verifier).await?;
        let identity = self.verify(&provider, &tokens, &flow.nonce).await?;
        Ok(Proved { provider, identity, principal: flow.principal_id })
    }

    async fn redeem(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
    ) -> Result<TokenAnswer, Fault> {
        let redirect_uri = self.callback(provider.id)?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", verifier),
        ];
        let secret = self.client_secret(provider)?;
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let by_form = methods.is_some_and(|methods| {
            !methods.iter().any(|m| m == "client_secret_basic")
                && methods.iter().any(|m| m == "client_secret_post")
        });
        // RFC 6749 section 2.3.1: form-encoded before it becomes basic.
        let encoded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = secret.as_deref().filter(|_| !by_form);
        let basic = basic.map(|secret| (encoded(&provider.client_id), encoded(secret)));
        if basic.is_none() {
            form.push(("client_id", &provider.client_id));
            form.extend(secret.as_deref().map(|secret| ("client_secret", secret)));
        }
        let basic = basic.as_ref().map(|(name, secret)| (name.as_str(), secret.as_str()));
        let (good, answer): (_, TokenAnswer) =
            self.0.directory.redeem(metadata, &form, basic).await?;
        match (good, answer.id_token.is_empty()) {
            (true, false) => Ok(answer),
            (true, true) => Err(failed("gives no ID token")),
            (false, _) => Err(refused("the provider does not take the code")),
        }
    }

    fn client_secret(&self, provider: &Provider) -> Result<Option<String>, Fault> {
        let Some(sealed) = &provider.client_secret_sealed else { return Ok(None) };
        let plain = self.0.sealer.open(SECRET, provider.id.as_bytes(), sealed)?;
        let plain = String::from_utf8(plain);
        plain.map(Some).map_err(|e| Fault::internal("client secret").with_source(e))
    }

    async fn verify(
        &self,
        provider: &Provider,
        tokens: &TokenAnswer,
        nonce: &str,
    ) -> Result<Identity, Fault> {
        let (algorithm, kid) =
            id_token::header(&tokens.id_token).ok_or_else(|| refused("algorithm"))?;
        let key = self.0.directory.key(&provider.issuer, algorithm, kid.as_deref()).await?;
        let key = key.ok_or_else(|| refused("unknown key"))?;
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.client_id,
            nonce,
            access_token: &tokens.access_token,
            now: self.0.clock.now(),
        };
        id_token::verify(&tokens.id_token, algorithm, &key, expected)
    }
}

/// RFC 9207: who answered is who was asked.
fn check_answer(answer: &Answer<'_>, metadata: &Metadata) -> Result<(), Fault> {
    let named = !answer.iss.is_empty();
    let own = answer.iss == metadata.issuer;
    if (named && !own) || (!named && metadata.authorization_response_iss_parameter_supported) {
        return Err(refused("iss of the answer"));
    }
    if !answer.error.is_empty() {
        return Err(refused("the provider says no"));
    }
    let bounded = (1..=LONGEST).contains(&answer.code.len());
    if bounded { Ok(()) } else { Err(refused("code")) }
}

fn text() -> Result<String, Fault> {
    Ok(URL_SAFE_NO_PAD.encode(secrets::random::<32>()?))
}
