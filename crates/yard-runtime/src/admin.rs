//! The admin listener: probes, metrics, log level. Never public.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use serde_json::json;
use tokio::net::TcpListener;

use crate::telemetry::{self, LogHandle};
use crate::{Runtime, TaskKind};

#[derive(Clone)]
struct Admin {
    runtime: Runtime,
    log: Option<LogHandle>,
}

/// Serves until the soft stop, so that probes see the service drain.
pub(crate) fn serve(runtime: &Runtime, listener: TcpListener, log: Option<LogHandle>) {
    let admin = Admin { runtime: runtime.clone(), log };
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/build", get(build))
        .route("/log-level", put(log_level))
        .with_state(admin);
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Background, "admin", async move {
        let stop = async move { soft.cancelled().await };
        Ok(axum::serve(listener, router).with_graceful_shutdown(stop).await?)
    });
}

/// 200 or 503, without internals.
async fn readyz(State(admin): State<Admin>) -> Response {
    if admin.runtime.shutdown().is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if admin.runtime.health().is_ready().await {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// Everything an operator wants to know; 503 when any of it is wrong.
async fn health(State(admin): State<Admin>) -> Response {
    let health = admin.runtime.health();
    let (waiting, checks) = (health.waiting(), health.run_checks().await);
    let draining = admin.runtime.shutdown().is_draining();
    let ok = !draining && waiting.is_empty() && checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "service": admin.runtime.service(),
        "instance": admin.runtime.instance(),
        "ok": ok,
        "draining": draining,
        "starting": waiting,
        "checks": checks,
    });
    (status, Json(body)).into_response()
}

async fn metrics() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::metrics_text())
        .into_response()
}

async fn build(State(admin): State<Admin>) -> Response {
    Json(admin.runtime.build()).into_response()
}

async fn log_level(State(admin): State<Admin>, filter: String) -> Response {
    let Some(log) = &admin.log else {
        return (StatusCode::CONFLICT, "logging is not ours in this process\n").into_response();
    };
    match log.set(filter.trim()) {
        Ok(()) => {
            tracing::info!(filter = filter.trim(), "log level changed");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{problem}\n")).into_response(),
    }
}
