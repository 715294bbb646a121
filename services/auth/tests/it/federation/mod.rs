//! Sign-in by a tenant's identity provider. The provider here says whatever a test has it say; the
//! real one of npm is met in tests/e2e.

mod accounts;
mod answers;
mod changes;
mod links;
mod passkeys;
mod settings;
mod step_up;
mod tokens;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use auth::FederationConfig;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use prost_types::FieldMask;
use serde_json::{Value, json};
use time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Channel;
use yard_authn::Claims;
use yard_contracts::federation::v1::federated_sign_in_service_client::FederatedSignInServiceClient;
use yard_contracts::federation::v1::identity_provider_service_client::IdentityProviderServiceClient;
use yard_contracts::federation::v1::*;
use yard_contracts::identity::v1::SessionDelivery;
use yard_fault::{Code, Fault};
use yard_ids::Clock as _;
use yard_runtime::{Runtime, Secret, TaskKind};
use yard_testkit::logs::{self, LogCapture};

use crate::support::{Auth, ISSUER, bearer, code};

const CLIENT: &str = "switchyard";

/// What the provider says, and what it was asked.
struct Script {
    issuer: String,
    key: Vec<u8>,
    kid: String,
    /// Given out as it is in place of a token that is made.
    raw: Option<String>,
    /// Changes the discovery document.
    document: Value,
    header: Header,
    /// Changes the ID token's claims; null takes one out.
    claims: Value,
    now: i64,
    nonce: String,
    /// By code, where several sign-ins are under way.
    nonces: HashMap<String, String>,
    /// Who it is, by code; `u1` else.
    subjects: HashMap<String, String>,
    forms: Vec<Vec<(String, String)>>,
    refuses: bool,
    /// Whoever redeems a code waits for a permit of it.
    gate: Option<Arc<Semaphore>>,
    /// How many came to redeem a code.
    came: usize,
    key_reads: usize,
}

type Shared = Arc<Mutex<Script>>;

fn merge(mut into: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(into.as_object_mut().unwrap().remove(name)),
            value => into[name] = value.clone(),
        }
    }
    into
}

async fn document(State(script): State<Shared>) -> Json<Value> {
    let script = script.lock().unwrap();
    let at = |path: &str| format!("{}{path}", script.issuer);
    let usual = json!({
        "issuer": script.issuer, "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"), "jwks_uri": at("/jwks"),
    });
    Json(merge(usual, &script.document))
}

async fn jwks(State(script): State<Shared>) -> Json<Value> {
    let mut script = script.lock().unwrap();
    script.key_reads += 1;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&script.key).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    Json(json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": script.kid, "use": "sig", "x": x},
        {"kty": "of a kind that nobody knows", "kid": "k0"},
    ]}))
}

async fn token(State(script): State<Shared>, Form(form): Form<Vec<(String, String)>>) -> Response {
    let gate = {
        let mut script = script.lock().unwrap();
        script.came += 1;
        script.gate.clone()
    };
    if let Some(gate) = gate {
        drop(gate.acquire().await);
    }
    let mut script = script.lock().unwrap();
    let sent = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
    let code = sent("code").unwrap_or_default();
    let subject = script.subjects.get(&code).map_or("u1", String::as_str).to_owned();
    let nonce = script.nonces.get(&code).cloned();
    let nonce = nonce.unwrap_or_else(|| script.nonce.clone());
    script.forms.push(form);
    if script.refuses {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let usual = json!({
        "iss": script.issuer, "aud": CLIENT, "sub": subject, "nonce": nonce,
        "iat": script.now, "exp": script.now + 300,
        "email": "new@acme.example", "email_verified": true, "name": "New",
    });
    let claims = merge(usual, &script.claims);
    let key = match script.header.alg {
        Algorithm::HS256 => EncodingKey::from_secret(b"shared"),
        _ => EncodingKey::from_ed_der(&script.key),
    };
    let made = || jsonwebtoken::encode(&script.header, &claims, &key).unwrap();
    let id_token = script.raw.clone().unwrap_or_else(made);
    Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": id_token})).into_response()
}

/// auth, a provider, and acme that trusts it.
struct Party {
    log: LogCapture,
    auth: Auth,
    script: Shared,
    owner: String,
    provider: IdentityProvider,
}

fn header(alg: Algorithm) -> Header {
    let mut header = Header::new(alg);
    header.kid = Some("k1".to_owned());
    header
}

fn new_key() -> Vec<u8> {
    Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref().to_vec()
}

impl Party {
    async fn start() -> Self {
        Self::start_with(|_wish| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut IdentityProvider)) -> Self {
        Self::start_mailing(change, Secret::default()).await
    }

    async fn start_mailing(change: impl FnOnce(&mut IdentityProvider), smtp: Secret) -> Self {
        let log = logs::capture();
        let auth = Auth::start_with(|config| {
            let allowed_networks = vec!["127.0.0.0/8".to_owned()];
            config.federation =
                FederationConfig { allowed_networks, plain_http: true, ..Default::default() };
            config.mail.smtp_url = smtp;
        })
        .await;
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = new_key();
        let script = Arc::new(Mutex::new(Script {
            issuer: issuer.clone(),
            key,
            kid: "k1".to_owned(),
            raw: None,
            document: json!({}),
            header: header(Algorithm::EdDSA),
            claims: json!({}),
            now: auth.clock.now().unix_timestamp(),
            nonce: String::new(),
            nonces: HashMap::new(),
            subjects: HashMap::new(),
            forms: Vec::new(),
            refuses: false,
            gate: None,
            came: 0,
            key_reads: 0,
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/jwks", get(jwks))
            .route("/moved", get(|| async { Redirect::temporary("/jwks") }))
            .route("/token", post(token))
            .with_state(Arc::clone(&script));
        let outside = Runtime::builder("provider", "0.0.0").build();
        outside.tasks().spawn(TaskKind::Background, "provider", async move {
            drop(axum::serve(listener, router).await);
            Ok(())
        });
        let owner = auth.access("owner@example.org", "acme").await;
        let mut wish = IdentityProvider {
            name: "Acme".to_owned(),
            issuer,
            client_id: CLIENT.to_owned(),
            client_secret: "s3cret".to_owned(),
            default_role: "viewer".to_owned(),
            email_domains: vec!["acme.example".to_owned()],
            create_people: true,
            ..IdentityProvider::default()
        };
        change(&mut wish);
        let provider = create(&auth, &owner, wish).await.unwrap();
        Self { log, auth, script, owner, provider }
    }

    fn sign_ins(&self) -> FederatedSignInServiceClient<Channel> {
        FederatedSignInServiceClient::new(self.auth.channel())
    }

    fn say(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// What the page and the provider do.
    async fn begin(&self) -> CallbackAnswer {
        let provider_id = self.provider.provider_id.clone();
        let request = BeginFederatedSignInRequest { provider_id, anew: false };
        let begun = self.sign_ins().begin_federated_sign_in(request).await.unwrap().into_inner();
        self.answered(begun)
    }

    /// Why it cannot be begun.
    async fn try_begin(&self) -> Option<Code> {
        let provider_id = self.provider.provider_id.clone();
        let request = BeginFederatedSignInRequest { provider_id, anew: false };
        code(self.sign_ins().begin_federated_sign_in(request).await)
    }

    fn answered(&self, begun: BeginFederatedSignInResponse) -> CallbackAnswer {
        let url: reqwest::Url = begun.authorization_url.parse().unwrap();
        let said = |name: &str| {
            let found = url.query_pairs().find(|(known, _)| known == name);
            found.map(|(_, value)| value.into_owned()).unwrap()
        };
        let now = self.auth.clock.now().unix_timestamp();
        self.say(|script| (script.nonce, script.now) = (said("nonce"), now));
        CallbackAnswer {
            provider_id: begun.provider_id,
            state: said("state"),
            code: "the-code".to_owned(),
            iss: String::new(),
            error: String::new(),
            binding: begun.binding,
        }
    }

    async fn complete(
        &self,
        answer: CallbackAnswer,
    ) -> Result<CompleteFederatedSignInResponse, Code> {
        let request = CompleteFederatedSignInRequest {
            answer: Some(answer),
            delivery: SessionDelivery::Token.into(),
        };
        let done = self.sign_ins().complete_federated_sign_in(request).await;
        done.map(tonic::Response::into_inner).map_err(|s| Fault::from_status(&s).code())
    }

    /// The access token of a sign-in that works.
    async fn access(&self) -> String {
        let opened = self.sign_in().await.unwrap();
        // That somebody came in is a change of theirs: it voids tokens made before it is told.
        self.auth.told().await;
        self.auth.exchange(&opened.session_token).await.unwrap()
    }

    /// What it says.
    async fn enter(&self) -> Claims {
        self.auth.claims(&self.access().await)
    }

    /// Begins a sign-in of which the provider gives that code.
    async fn begin_with(&self, code: &str) -> CallbackAnswer {
        let answer = CallbackAnswer { code: code.to_owned(), ..self.begin().await };
        self.say(|script| drop(script.nonces.insert(code.to_owned(), script.nonce.clone())));
        answer
    }

    async fn sign_in(&self) -> Result<CompleteFederatedSignInResponse, Code> {
        let answer = self.begin().await;
        self.complete(answer).await
    }
}

async fn create(
    auth: &Auth,
    owner: &str,
    wish: IdentityProvider,
) -> Result<IdentityProvider, tonic::Status> {
    let request = CreateIdentityProviderRequest { identity_provider: Some(wish) };
    let mut providers = IdentityProviderServiceClient::new(auth.channel());
    Ok(providers.create_identity_provider(bearer(request, owner)).await?.into_inner())
}

/// Changes of a provider what `mask` names.
async fn change(
    auth: &Auth,
    who: &str,
    wanted: IdentityProvider,
    mask: &[&str],
) -> Result<IdentityProvider, tonic::Status> {
    let request = UpdateIdentityProviderRequest {
        identity_provider: Some(wanted),
        update_mask: Some(FieldMask { paths: mask.iter().map(|&path| path.to_owned()).collect() }),
    };
    let mut providers = IdentityProviderServiceClient::new(auth.channel());
    Ok(providers.update_identity_provider(bearer(request, who)).await?.into_inner())
}
