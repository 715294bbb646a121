//! What clients call by HTTP. The gateway passes it through, with the client's address and without
//! cookies; nothing here knows a browser's session.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::json;
use uuid::Uuid;
use yard_authn::audit::{CLIENT_ADDRESS, Origin, USER_AGENT};
use yard_authn::{Caller, Claims, TENANT_PERMISSIONS};
use yard_fault::{Code, Fault};
use yard_ids::{SessionId, TenantId};
use yard_pg::{Actor, PlatformTx};

use super::answer::{Failure, OauthError, json_answer};
use super::form::{self, Form};
use super::grant::{Redeemed, Reuse, Tokens, Told};
use super::request::{self, Addressed};
use super::{Issuer, scope, store, user_info};

/// No request of a client is larger.
const LARGEST: usize = 16 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";
/// Under which the audit trail has what happens here.
const TOKEN: &str = "/oauth2/token";

pub(super) fn router(issuer: Issuer) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/oauth-authorization-server", get(discovery))
        .route("/oauth2/authorize", get(authorize).post(authorize_form))
        .route(TOKEN, post(token))
        .route("/oauth2/revoke", post(revoke))
        .route("/oauth2/userinfo", get(user_info::answer).post(user_info::answer))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(issuer)
}

/// OpenID Connect Discovery section 3, RFC 8414 section 2.
async fn discovery(State(issuer): State<Issuer>) -> Response {
    let Ok(url) = issuer.url() else { return StatusCode::NOT_FOUND.into_response() };
    let at = |path: &str| format!("{url}{path}");
    let scopes: Vec<&str> = scope::IDENTITY.into_iter().chain(TENANT_PERMISSIONS).collect();
    let document = json!({
        "issuer": url,
        "authorization_endpoint": at("/oauth2/authorize"),
        "token_endpoint": at(TOKEN),
        "revocation_endpoint": at("/oauth2/revoke"),
        "userinfo_endpoint": at("/oauth2/userinfo"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "claims_supported":
            ["sub", "iss", "aud", "iat", "exp", "auth_time", "amr", "sid", "nonce", "name", "email"],
        "prompt_values_supported": ["none", "login", "consent"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document.to_string()).into_response()
}

async fn authorize(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    send_on(&issuer, &headers, &query.unwrap_or_default()).await
}

async fn authorize_form(State(issuer): State<Issuer>, headers: HeaderMap, body: Bytes) -> Response {
    let text = std::str::from_utf8(&body).ok().filter(|_| is_form(&headers));
    send_on(&issuer, &headers, text.unwrap_or_default()).await
}

/// To the page where the person signs in and decides; with an error to the client; or, when it is
/// not sure who the client is, nowhere.
async fn send_on(issuer: &Issuer, headers: &HeaderMap, query: &str) -> Response {
    match where_to(issuer, query).await {
        Ok(Some(to)) => {
            let headers = [(header::LOCATION, to), (header::CACHE_CONTROL, "no-store".to_owned())];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Ok(None) => {
            let text = "This link is not right: it names no application of ours, or an address that \
                        the application has not registered. Go back to the application and try again.\n";
            (StatusCode::BAD_REQUEST, text).into_response()
        }
        Err(fault) => {
            Failure::from(fault).respond(&incident(issuer, headers), "begin an authorization")
        }
    }
}

async fn where_to(issuer: &Issuer, query: &str) -> Result<Option<String>, Fault> {
    let url = issuer.url()?;
    let Some(id) = request::client_of(query) else { return Ok(None) };
    let mut tx = PlatformTx::begin(&issuer.0.pg, &Actor::service("auth")).await?;
    let client = store::client(&mut tx, id).await?;
    let slug = match &client {
        Some(client) => store::slug(&mut tx, client.tenant_id).await?,
        None => String::new(),
    };
    tx.commit().await?;
    let Some(client) = client else { return Ok(None) };
    let Some(addressed) = Addressed::of(query, &client) else { return Ok(None) };
    Ok(Some(match addressed.read(&client) {
        Err(error) => addressed.back_with(url, &error),
        // Nobody knows here whether the person is signed in; and what would follow is a page.
        Ok(asked) if asked.silent => {
            let shown =
                OauthError::new("interaction_required", "the person has to be shown a page");
            addressed.back_with(url, &shown)
        }
        Ok(_) => {
            let parameters = [("tenant", slug.as_str()), ("request", query)];
            form::append(&format!("{url}/authorize"), &parameters)
        }
    }))
}

async fn token(State(issuer): State<Issuer>, headers: HeaderMap, body: Bytes) -> Response {
    let incident = incident(&issuer, &headers);
    let (done, told) = answer(&issuer, &headers, &body).await;
    if let Some(Reuse(standing)) = told {
        let caller = Caller::verified(Claims {
            sub: format!("person:{}", standing.principal_id.as_hyphenated()),
            tenant: Some(TenantId::from_uuid(standing.tenant_id)),
            role: standing.role.unwrap_or_default(),
            sid: Some(SessionId::from_uuid(standing.session_id)),
            ..Claims::default()
        });
        let denials = issuer.0.auditor.denials();
        denials.note(&caller, TOKEN, &incident, origin(&headers), Code::AuthRefreshReuse);
    }
    match done {
        Ok(tokens) => match serde_json::to_value(&tokens) {
            Ok(json) => json_answer(&json),
            Err(e) => Failure::from(Fault::internal("tokens as JSON").with_source(e))
                .respond(&incident, "answer with tokens"),
        },
        Err(failure) => failure.respond(&incident, "give tokens"),
    }
}

async fn answer(
    issuer: &Issuer,
    headers: &HeaderMap,
    body: &[u8],
) -> (Result<Tokens, Failure>, Told) {
    let read = match read(issuer, headers, body) {
        Ok(read) => read,
        Err(failure) => return (Err(failure), None),
    };
    let (form, client) = &read;
    match wanted(form) {
        Err(error) => (Err(error.into()), None),
        Ok(Wanted::Code { code, verifier, redirect_uri }) => {
            issuer.redeem(&Redeemed { client: *client, code, verifier, redirect_uri }).await
        }
        Ok(Wanted::Refresh { token, scope }) => issuer.refresh(*client, token, scope).await,
    }
}

/// What a client wants tokens for.
enum Wanted<'f> {
    Code { code: &'f str, verifier: &'f str, redirect_uri: &'f str },
    Refresh { token: &'f str, scope: Option<&'f str> },
}

fn wanted(form: &Form) -> Result<Wanted<'_>, OauthError> {
    match form.need("grant_type")? {
        "authorization_code" => Ok(Wanted::Code {
            code: form.need("code")?,
            verifier: form.need("code_verifier")?,
            redirect_uri: form.need("redirect_uri")?,
        }),
        "refresh_token" => {
            Ok(Wanted::Refresh { token: form.need("refresh_token")?, scope: form.get("scope")? })
        }
        _ => Err(OauthError::new("unsupported_grant_type", "there are two, see the discovery")),
    }
}

async fn revoke(State(issuer): State<Issuer>, headers: HeaderMap, body: Bytes) -> Response {
    let incident = incident(&issuer, &headers);
    let done = async {
        let (form, client) = read(&issuer, &headers, &body)?;
        issuer.revoke(client, form.need("token")?).await
    };
    match done.await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(failure) => failure.respond(&incident, "end a grant"),
    }
}

/// The parameters, and the client that says it is one. It proves that by what else it sends.
fn read(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<(Form, Uuid), Failure> {
    issuer.url()?;
    let unknown = || OauthError::new("invalid_client", "clients name themselves by client_id only");
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(unknown().into());
    }
    let text = std::str::from_utf8(body).ok().filter(|_| is_form(headers));
    let wrong = || OauthError::new("invalid_request", "the body has to be form-encoded");
    let form = Form::read(text.ok_or_else(wrong)?);
    if form.get("client_secret")?.is_some() || form.get("client_assertion")?.is_some() {
        return Err(unknown().into());
    }
    let client = Uuid::try_parse(form.need("client_id")?).map_err(|_e| unknown())?;
    Ok((form, client))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(FORM)
}

/// The id that the gateway gave the request.
pub(super) fn incident(issuer: &Issuer, headers: &HeaderMap) -> String {
    let given = headers.get("yard-request-id").and_then(|value| value.to_str().ok());
    let given = given.filter(|id| (1..=64).contains(&id.len()));
    given.map_or_else(|| issuer.0.ids.uuid7().as_hyphenated().to_string(), str::to_owned)
}

fn origin(headers: &HeaderMap) -> Origin {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (address, agent) = (text(CLIENT_ADDRESS), text(USER_AGENT));
    Origin::new(address.unwrap_or_default(), agent.unwrap_or_default(), text("traceparent"))
}
