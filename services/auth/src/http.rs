//! What is spoken by HTTP: token keys, the revocation list, and what OAuth clients call.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use yard_runtime::{Runtime, TaskKind};

use crate::keys::{Keys, key_set_json};
use crate::revocation::RevocationList;

/// Serves until the soft stop.
pub(crate) fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    keys: Keys,
    revocation: RevocationList,
    issuer: Router,
) {
    let router = Router::new()
        .route(
            "/.well-known/jwks.json",
            get(move || async move { jwks(key_set_json(&keys.published())) }),
        )
        .route("/crl/device-ca.pem", get(revocation_list))
        .with_state(revocation)
        .merge(issuer);
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Critical, "http", async move {
        let stop = async move { soft.cancelled().await };
        Ok(axum::serve(listener, router).with_graceful_shutdown(stop).await?)
    });
}

fn jwks(keys: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, keys).into_response()
}

/// An agent beside a broker asks every second, so what it has already is not sent again.
async fn revocation_list(State(revocation): State<RevocationList>, asked: HeaderMap) -> Response {
    let Some((number, pem)) = revocation.current() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let tag = format!("\"{number}\"");
    // A cache in between would delay a revocation.
    let headers = [
        (header::CONTENT_TYPE, "application/x-pem-file".to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::ETAG, tag.clone()),
    ];
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, pem).into_response()
}
