//! Sign-in by a tenant's identity provider. The provider here says whatever a test has it say; the
//! real one of npm is met in tests/e2e.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use auth::FederationConfig;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use time::Duration;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use yard_contracts::federation::v1::federated_sign_in_service_client::FederatedSignInServiceClient;
use yard_contracts::federation::v1::identity_provider_service_client::IdentityProviderServiceClient;
use yard_contracts::federation::v1::*;
use yard_contracts::identity::v1::SessionDelivery;
use yard_fault::{Code, Fault};
use yard_ids::Clock as _;

use crate::support::{Auth, ISSUER, bearer, code};

const CLIENT: &str = "switchyard";

/// What the provider says, and what it was asked.
struct Script {
    issuer: String,
    key: Vec<u8>,
    /// Changes the discovery document.
    document: Value,
    header: Header,
    /// Changes the ID token's claims; null takes one out.
    claims: Value,
    now: i64,
    nonce: String,
    forms: Vec<Vec<(String, String)>>,
    refuses: bool,
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
        {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "x": x},
        {"kty": "of a kind that nobody knows", "kid": "k0"},
    ]}))
}

async fn token(State(script): State<Shared>, Form(form): Form<Vec<(String, String)>>) -> Response {
    let mut script = script.lock().unwrap();
    script.forms.push(form);
    if script.refuses {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let usual = json!({
        "iss": script.issuer, "aud": CLIENT, "sub": "u1", "nonce": script.nonce,
        "iat": script.now, "exp": script.now + 300,
        "email": "new@acme.example", "email_verified": true, "name": "New",
    });
    let claims = merge(usual, &script.claims);
    let key = match script.header.alg {
        Algorithm::HS256 => EncodingKey::from_secret(b"shared"),
        _ => EncodingKey::from_ed_der(&script.key),
    };
    let id_token = jsonwebtoken::encode(&script.header, &claims, &key).unwrap();
    Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": id_token})).into_response()
}

/// auth, a provider, and acme that trusts it.
struct Party {
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

impl Party {
    async fn start() -> Self {
        Self::start_with(|_wish| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut IdentityProvider)) -> Self {
        let auth = Auth::start_with(|config| {
            let allowed_networks = vec!["127.0.0.0/8".to_owned()];
            config.federation = FederationConfig { allowed_networks, plain_http: true };
        })
        .await;
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref().to_vec();
        let script = Arc::new(Mutex::new(Script {
            issuer: issuer.clone(),
            key,
            document: json!({}),
            header: header(Algorithm::EdDSA),
            claims: json!({}),
            now: auth.clock.now().unix_timestamp(),
            nonce: String::new(),
            forms: Vec::new(),
            refuses: false,
            key_reads: 0,
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
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
        Self { auth, script, owner, provider }
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
        let request = BeginFederatedSignInRequest { provider_id };
        let begun = self.sign_ins().begin_federated_sign_in(request).await.unwrap().into_inner();
        self.answered(begun)
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

#[tokio::test]
async fn stranger_of_the_domain_gets_an_account_once_and_is_known_by_subject() {
    let party = Party::start().await;
    let first = party.sign_in().await.unwrap();
    assert_eq!(first.tenant_slug, "acme");
    let claims = party.auth.claims(&party.auth.exchange(&first.session_token).await.unwrap());
    assert_eq!((claims.role.as_str(), &claims.amr[0]), ("viewer", &"fed".to_owned()));
    // Whatever their address is called later.
    party.say(|script| script.claims = json!({"email": "renamed@acme.example"}));
    assert_eq!(party.sign_in().await.unwrap().principal_id, first.principal_id);
    party.say(|script| script.claims = json!({"sub": "u2", "email": "two@acme.example"}));
    assert_ne!(party.sign_in().await.unwrap().principal_id, first.principal_id);
    let form = party.script.lock().unwrap().forms[0].clone();
    let sent = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
    assert_eq!(sent("code").as_deref(), Some("the-code"));
    assert_eq!(sent("redirect_uri"), Some(party.provider.redirect_uri.clone()));
    assert!(party.provider.redirect_uri.starts_with(&format!("{ISSUER}/sign-in/callback/")));
    assert!(sent("code_verifier").unwrap().len() == 43 && sent("client_secret").is_none());
    party.auth.finish().await;
}

#[tokio::test]
async fn every_wrong_answer_is_refused_and_has_no_second_try() {
    let party = Party::start().await;
    let other = create(&party.auth, &party.owner, party.provider.clone()).await.unwrap();
    type Change = fn(&mut CallbackAnswer, &str);
    let changes: [(&str, Change); 8] = [
        ("state", |a, _| a.state.push('x')),
        ("no state", |a, _| a.state.clear()),
        ("binding", |a, _| a.binding.push('x')),
        ("provider", |a, other| a.provider_id = other.to_owned()),
        ("no provider", |a, _| a.provider_id.clear()),
        ("iss", |a, _| a.iss = "https://evil.example".to_owned()),
        ("error", |a, _| a.error = "access_denied".to_owned()),
        ("code", |a, _| a.code.clear()),
    ];
    for (what, change) in changes {
        let good = party.begin().await;
        let mut bad = good.clone();
        change(&mut bad, &other.provider_id);
        assert_eq!(party.complete(bad.clone()).await, Err(Code::FederationRefused), "{what}");
        let again = party.complete(good.clone()).await;
        let untouched = bad.state != good.state || what == "no provider";
        assert_eq!(again.is_ok(), untouched, "{what}");
        if untouched {
            assert_eq!(party.complete(good).await, Err(Code::FederationRefused), "{what} replayed");
        }
    }
    let late = party.begin().await;
    party.auth.clock.advance(Duration::minutes(10));
    assert_eq!(party.complete(late).await, Err(Code::FederationRefused));
    party.say(|script| script.refuses = true);
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.auth.finish().await;
}

#[tokio::test]
async fn every_wrong_token_is_refused() {
    let party = Party::start().await;
    let now = party.auth.clock.now().unix_timestamp();
    let long = "x".repeat(256);
    for claims in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", party.provider.issuer)}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"aud": []}),
        json!({"aud": ["other"]}),
        json!({"aud": [CLIENT, "other"]}),
        json!({"azp": "other"}),
        json!({"aud": [CLIENT, "other"], "azp": "other"}),
        json!({"nonce": "other"}),
        json!({"nonce": null}),
        json!({"exp": now - 30}),
        json!({"exp": null}),
        json!({"exp": "soon"}),
        json!({"iat": now + 31}),
        json!({"iat": now - 601}),
        json!({"iat": null}),
        json!({"nbf": now + 31}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": long}),
        json!({"sub": 7}),
    ] {
        party.say(|script| script.claims = claims.clone());
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused), "{claims}");
    }
    for claims in [
        json!({"aud": [CLIENT]}),
        json!({"aud": [CLIENT, "other"], "azp": CLIENT}),
        json!({"exp": now - 29}),
        json!({"iat": now + 30}),
        json!({"iat": now - 600}),
    ] {
        party.say(|script| script.claims = claims.clone());
        assert!(party.sign_in().await.is_ok(), "{claims}");
    }
    party.say(|script| script.claims = json!({}));
    let unknown = Header { kid: Some("k2".to_owned()), ..header(Algorithm::EdDSA) };
    let not_ours = Header { kid: Some("k0".to_owned()), ..header(Algorithm::EdDSA) };
    for header in [header(Algorithm::HS256), unknown, not_ours] {
        party.say(|script| script.header = header.clone());
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused), "{header:?}");
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn new_key_is_looked_for_at_most_every_thirty_seconds() {
    let party = Party::start().await;
    party.sign_in().await.unwrap();
    let unknown = Header { kid: Some("k2".to_owned()), ..header(Algorithm::EdDSA) };
    party.say(|script| script.header = unknown);
    for _ in 0..5 {
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    }
    assert_eq!(party.script.lock().unwrap().key_reads, 1);
    party.auth.clock.advance(Duration::seconds(30));
    for _ in 0..5 {
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    }
    assert_eq!(party.script.lock().unwrap().key_reads, 2);
    party.auth.finish().await;
}

#[tokio::test]
async fn issuer_that_promises_its_name_has_to_say_it() {
    let party = Party::start().await;
    let promise = json!({"authorization_response_iss_parameter_supported": true});
    party.say(|script| script.document = promise);
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    let named = CallbackAnswer { iss: party.provider.issuer.clone(), ..party.begin().await };
    assert!(party.complete(named).await.is_ok());
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_that_does_not_do_its_part_is_told_of() {
    for document in [
        json!({"issuer": "https://evil.example"}),
        json!({"token_endpoint": "http://10.0.0.1/token"}),
        json!({"jwks_uri": "http://169.254.169.254/latest"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"token_endpoint": null}),
        json!({"padding": "x".repeat(300_000)}),
    ] {
        let party = Party::start().await;
        party.say(|script| script.document = document);
        let provider_id = party.provider.provider_id.clone();
        let begun = BeginFederatedSignInRequest { provider_id };
        let begun = party.sign_ins().begin_federated_sign_in(begun).await;
        assert_eq!(code(begun), Some(Code::FederationProviderFailed));
        party.auth.finish().await;
    }
}

#[tokio::test]
async fn address_of_an_account_that_exists_proves_nothing() {
    let party = Party::start_with(|wish| {
        wish.email_domains = vec!["example.org".to_owned(), "acme.example".to_owned()];
    })
    .await;
    party.say(|script| script.claims = json!({"email": "owner@example.org"}));
    assert_eq!(party.sign_in().await, Err(Code::FederationNotLinked));
    for claims in [json!({"email_verified": false}), json!({"email": "new@evil.example"})] {
        party.say(|script| script.claims = claims.clone());
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused), "{claims}");
    }
    let links = party.auth.db.sql("select count(*) from platform.identity_links").await;
    assert_eq!(links.trim(), "0");
    party.auth.finish().await;
}

#[tokio::test]
async fn account_is_linked_by_who_is_signed_in_and_by_nobody_else() {
    let party = Party::start_with(|wish| {
        (wish.create_people, wish.email_domains) = (false, Vec::new());
    })
    .await;
    assert_eq!(party.sign_in().await, Err(Code::FederationNotLinked));
    let provider_id = party.provider.provider_id.clone();
    let begin = async |who: &str| {
        let request = BeginIdentityLinkRequest { provider_id: provider_id.clone() };
        party.sign_ins().begin_identity_link(bearer(request, who)).await
    };
    let finish = async |answer: CallbackAnswer, who: &str| {
        let request = CompleteIdentityLinkRequest { answer: Some(answer) };
        party.sign_ins().complete_identity_link(bearer(request, who)).await
    };
    let viewer = party.auth.access("viewer@example.org", "acme").await;
    let bob = party.auth.access("bob@example.org", "byte").await;
    assert_eq!(code(begin(&bob).await), Some(Code::ResourceNotFound));
    let stolen = party.answered(begin(&viewer).await.unwrap().into_inner());
    assert_eq!(code(finish(stolen, &party.owner).await), Some(Code::FederationRefused));
    // A link is no sign-in, and a sign-in no link.
    let link = party.answered(begin(&viewer).await.unwrap().into_inner());
    assert_eq!(party.complete(link).await, Err(Code::FederationRefused));
    let sign_in = party.begin().await;
    assert_eq!(code(finish(sign_in, &viewer).await), Some(Code::FederationRefused));

    let link = party.answered(begin(&viewer).await.unwrap().into_inner());
    assert_eq!(finish(link, &viewer).await.unwrap().into_inner().subject, "u1");
    let opened = party.sign_in().await.unwrap();
    let claims = party.auth.claims(&party.auth.exchange(&opened.session_token).await.unwrap());
    assert_eq!(claims.sub, party.auth.claims(&viewer).sub);
    let second = party.answered(begin(&party.owner).await.unwrap().into_inner());
    assert_eq!(code(finish(second, &party.owner).await), Some(Code::ResourceExists));

    party.auth.clock.advance(Duration::minutes(6));
    let session = party.auth.session("owner@example.org", "acme").await;
    party.auth.clock.advance(Duration::seconds(301));
    let owner = party.auth.exchange(&session).await.unwrap();
    assert_eq!(code(begin(&owner).await), Some(Code::AuthStepUpRequired));
    party.auth.finish().await;
}

#[tokio::test]
async fn groups_give_roles_at_every_sign_in_and_nobody_else_gets_in() {
    let party = Party::start_with(|wish| {
        wish.groups_claim = "groups".to_owned();
        wish.default_role = String::new();
        let rule = |group: &str, role: &str| RoleRule { group: group.into(), role: role.into() };
        wish.role_rules = vec![rule("admins", "owner"), rule("staff", "operator")];
    })
    .await;
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    for (groups, role) in [(["staff", "admins"], "owner"), (["x", "staff"], "operator")] {
        party.say(|script| script.claims = json!({"groups": groups}));
        let opened = party.sign_in().await.unwrap();
        let claims = party.auth.claims(&party.auth.exchange(&opened.session_token).await.unwrap());
        assert_eq!(claims.role, role);
    }
    party.say(|script| script.claims = json!({"groups": ["x"]}));
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_that_is_taken_away_takes_its_sessions_with_it() {
    let party = Party::start().await;
    let opened = party.sign_in().await.unwrap();
    let begun = party.begin().await;
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let provider_id = party.provider.provider_id.clone();
    let mut delete = async |who: &str| {
        let request = DeleteIdentityProviderRequest { provider_id: provider_id.clone() };
        providers.delete_identity_provider(bearer(request, who)).await
    };
    let bob = party.auth.access("bob@example.org", "byte").await;
    assert_eq!(code(delete(&bob).await), Some(Code::ResourceNotFound));
    for _twice in 0..2 {
        assert!(delete(&party.owner).await.is_ok());
    }
    assert!(party.auth.exchange(&opened.session_token).await.is_err());
    assert_eq!(party.complete(begun).await, Err(Code::FederationRefused));
    let left = "select count(client_secret_sealed) from platform.identity_providers";
    assert_eq!(party.auth.db.sql(left).await.trim(), "0");
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_is_set_up_within_bounds_and_offered_by_its_tenant_only() {
    let party = Party::start().await;
    let good = party.provider.clone();
    let wish = |change: fn(&mut IdentityProvider)| {
        let mut wish = good.clone();
        change(&mut wish);
        wish
    };
    for (bad, pointer) in [
        (wish(|w| w.name.clear()), "name"),
        (wish(|w| w.issuer = "http://10.0.0.1".to_owned()), "issuer"),
        (wish(|w| w.issuer = "https://idp.example/?x".to_owned()), "issuer"),
        (wish(|w| w.issuer = "file:///etc/passwd".to_owned()), "issuer"),
        (wish(|w| w.client_id.clear()), "client_id"),
        (wish(|w| w.client_secret = "x".repeat(513)), "client_secret"),
        (wish(|w| w.scopes.push("a b".to_owned())), "scopes"),
        (wish(|w| w.default_role = "root".to_owned()), "default_role"),
        (wish(|w| w.role_rules.push(RoleRule::default())), "role_rules"),
        (wish(|w| w.email_domains = vec!["Acme.example".to_owned()]), "email_domains"),
        (wish(|w| w.email_domains.clear()), "email_domains"),
    ] {
        let refused = create(&party.auth, &party.owner, bad).await.unwrap_err();
        let expected = format!("/identity_provider/{pointer}");
        assert_eq!(Fault::from_status(&refused).pointer(), Some(expected.as_str()));
    }
    let mut sign_ins = party.sign_ins();
    let mut offered = async |tenant: &str| {
        let request = ListSignInProvidersRequest { tenant: tenant.to_owned() };
        sign_ins.list_sign_in_providers(request).await.unwrap().into_inner().providers.len()
    };
    assert_eq!([offered("acme").await, offered("byte").await, offered("none").await], [1, 0, 0]);
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let listed = bearer(ListIdentityProvidersRequest {}, &party.owner);
    let listed = providers.list_identity_providers(listed).await.unwrap().into_inner();
    assert!(listed.identity_providers.iter().all(|one| one.client_secret.is_empty()));
    let stored = "select to_jsonb(p)::text from platform.identity_providers p";
    assert!(!party.auth.db.sql(stored).await.contains("s3cret"));
    party.auth.finish().await;
}
