//! Our token issuer, as clients meet it.

mod codes;
mod families;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use yard_contracts::federation::v1::authorization_service_client::AuthorizationServiceClient;
use yard_contracts::federation::v1::oauth_client_service_client::OauthClientServiceClient;
use yard_contracts::federation::v1::{
    CreateOauthClientRequest, DecideAuthorizationRequest, OauthClient,
};

use crate::support::{Auth, bearer};

/// RFC 7636 appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const BACK: &str = "https://app.example/cb";
pub(super) const ALL: &str = "openid profile email offline_access devices.read devices.manage";

/// A client of acme, and the access token of the person who uses it.
pub(super) struct Party {
    pub(super) auth: Auth,
    pub(super) client: OauthClient,
    pub(super) person: String,
}

impl Party {
    pub(super) async fn start() -> Self {
        Self::over(Auth::start().await).await
    }

    pub(super) async fn over(auth: Auth) -> Self {
        let owner = auth.access("owner@example.org", "acme").await;
        let client = register(&auth, &owner, &["devices.read", "devices.manage"]).await;
        Self { auth, client, person: owner }
    }

    pub(super) fn query(&self, scope: &str) -> String {
        query(&self.client.client_id, &[("scope", scope)])
    }

    /// The person agrees: where the browser goes.
    pub(super) async fn approve(&self, query: &str) -> reqwest::Url {
        let request = DecideAuthorizationRequest { query: query.to_owned(), approve: true };
        let request = bearer(request, &self.person);
        let answer = self.authorizations().decide_authorization(request).await.unwrap();
        answer.into_inner().redirect_to.parse().unwrap()
    }

    pub(super) async fn code(&self, scope: &str) -> String {
        parameter(&self.approve(&self.query(scope)).await, "code").unwrap()
    }

    pub(super) async fn redeem(&self, code: &str) -> Answer {
        token(&self.auth, &self.redemption(code)).await
    }

    pub(super) fn redemption<'p>(&'p self, code: &'p str) -> [(&'static str, &'p str); 5] {
        [
            ("grant_type", "authorization_code"),
            ("client_id", &self.client.client_id),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", BACK),
        ]
    }

    pub(super) async fn refresh(&self, refresh: &str) -> Answer {
        let client = &self.client.client_id;
        let form =
            [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh)];
        token(&self.auth, &form).await
    }

    /// A new grant's tokens.
    pub(super) async fn grant(&self, scope: &str) -> Value {
        let code = self.code(scope).await;
        let answer = self.redeem(&code).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.json
    }

    pub(super) fn authorizations(&self) -> AuthorizationServiceClient<tonic::transport::Channel> {
        AuthorizationServiceClient::new(self.auth.channel())
    }
}

/// What an endpoint said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Value,
}

impl Answer {
    /// The error, or nothing.
    pub(super) fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }

    pub(super) fn refresh(&self) -> String {
        self.json["refresh_token"].as_str().unwrap_or_default().to_owned()
    }
}

pub(super) async fn register(auth: &Auth, owner: &str, abilities: &[&str]) -> OauthClient {
    let request = CreateOauthClientRequest {
        name: "App".to_owned(),
        redirect_uris: vec![BACK.to_owned(), "http://127.0.0.1/cb".to_owned()],
        abilities: abilities.iter().map(|&ability| ability.to_owned()).collect(),
        first_party: false,
    };
    let mut clients = OauthClientServiceClient::new(auth.channel());
    clients.create_oauth_client(bearer(request, owner)).await.unwrap().into_inner()
}

/// An authorization request; what is given goes before what is usual.
pub(super) fn query(client: &str, given: &[(&str, &str)]) -> String {
    let usual = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", BACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "s t"),
        ("nonce", "n-0S6"),
    ];
    let left = usual.iter().filter(|(name, _)| given.iter().all(|(other, _)| other != name));
    let mut url: reqwest::Url = "https://x.example/".parse().unwrap();
    url.query_pairs_mut().extend_pairs(left).extend_pairs(given);
    url.query().unwrap().to_owned()
}

pub(super) fn parameter(url: &reqwest::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

pub(super) async fn post(auth: &Auth, path: &str, form: &[(&str, &str)]) -> Answer {
    let client =
        reqwest::Client::builder().timeout(std::time::Duration::from_secs(15)).build().unwrap();
    let answer = client.post(auth.http(path)).form(form).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    Answer { status, json: serde_json::from_str(&text).unwrap_or(Value::Null) }
}

pub(super) async fn token(auth: &Auth, form: &[(&str, &str)]) -> Answer {
    post(auth, "/oauth2/token", form).await
}

/// What a JWT says, whoever signed it.
pub(super) fn said(jwt: &str) -> Value {
    let body = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}
