//! Who the person is (OpenID Connect Core section 5.3).

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use yard_fault::{Class, Code, Fault};
use yard_pg::{Actor, PlatformTx};

use super::answer::{Failure, json_answer};
use super::endpoints::incident;
use super::store::Standing;
use super::{Issuer, scope, store};

pub(super) async fn answer(State(issuer): State<Issuer>, headers: HeaderMap) -> Response {
    let Some(token) = bearer(&headers) else {
        return refused("Bearer");
    };
    match look_up(&issuer, token).await {
        Ok((standing, scopes)) => json_answer(&described(&standing, &scopes)),
        Err(fault) if matches!(fault.class(), Class::Unauthenticated | Class::Forbidden) => {
            refused("Bearer error=\"invalid_token\"")
        }
        Err(fault) => {
            Failure::from(fault).respond(&incident(&issuer, &headers), "tell who a person is")
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn look_up(issuer: &Issuer, token: &str) -> Result<(Standing, Vec<String>), Fault> {
    let now = issuer.0.clock.now();
    let shown = issuer.read_access(token, now)?;
    let mut tx = PlatformTx::begin(&issuer.0.pg, &Actor::service("auth")).await?;
    let standing = store::standing(&mut tx, shown.sid.uuid()).await?;
    tx.commit().await?;
    let standing = standing.ok_or_else(|| Fault::new(Code::AuthSessionExpired))?;
    standing.role_now(now)?;
    let scopes: Vec<String> = shown.scope.split(' ').map(str::to_owned).collect();
    // Without it the token is not about who the person is.
    if !scope::has(&scopes, scope::OPENID) {
        return Err(Code::AuthForbidden.into());
    }
    Ok((standing, scopes))
}

fn described(standing: &Standing, scopes: &[String]) -> serde_json::Value {
    let mut known = json!({"sub": standing.principal_id.as_hyphenated().to_string()});
    if scope::has(scopes, scope::PROFILE) {
        known["name"] = json!(standing.display_name);
    }
    if scope::has(scopes, scope::EMAIL) {
        known["email"] = json!(standing.email);
    }
    known
}

fn refused(challenge: &'static str) -> Response {
    let challenge = HeaderValue::from_static(challenge);
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}
