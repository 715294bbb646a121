//! What the RADIUS server asks, by HTTP and `rlm_rest`, on a listener of its own.
//!
//! `rlm_rest` gives status codes a meaning, which the generated configuration goes by: 200 with attributes
//! decides, 401 refuses, and anything else has the RADIUS server say nothing. So whatever is not the fault
//! of who signs in is never answered 401.

mod answer;
mod asked;
mod decide;
mod store;

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_limits::Limit;
use yard_pg::{Actor, PlatformTx, TenantTx};
use yard_runtime::{Runtime, Secret, TaskKind};

use super::{Aaa, keys, nas};
use crate::sessions::Throttle;
use crate::{secrets, telemetry};
use asked::{Asked, Unusable};
use decide::{Decision, Why};

/// A RADIUS packet has 4096 octets at most; as JSON it is a few times that.
const LARGEST: usize = 64 * 1024;
/// The user name in HTTP Basic.
const USER: &str = "radius";

/// What answers. Cheap to clone.
#[derive(Clone)]
struct Edge {
    aaa: Aaa,
    throttle: Throttle,
    attempts: Limit,
    /// SHA-256 of the header that the RADIUS server shows.
    proof: Arc<[u8; 32]>,
}

/// Serves until the soft stop.
pub(super) fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    token: &Secret,
    (aaa, throttle, attempts): (Aaa, Throttle, Limit),
) {
    let header = format!("Basic {}", STANDARD.encode(format!("{USER}:{}", token.expose())));
    let proof = Arc::new(secrets::sha256(&header));
    let edge = Edge { aaa, throttle, attempts, proof };
    let router = Router::new()
        .route("/radius/v1/clients/{address}", get(client))
        .route("/radius/v1/authorize", post(authorize))
        .route("/radius/v1/decided", post(decided))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn_with_state(edge.clone(), admit))
        .with_state(edge);
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Critical, "radius", async move {
        let stop = async move { soft.cancelled().await };
        Ok(axum::serve(listener, router).with_graceful_shutdown(stop).await?)
    });
}

/// Nobody but the RADIUS server. It is told 400 and not 401: that would refuse a subscriber.
async fn admit(
    State(edge): State<Edge>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let shown =
        headers.get(header::AUTHORIZATION).map(|shown| secrets::sha256_of(shown.as_bytes()));
    let right = shown.is_some_and(|shown| {
        constant_time::verify_slices_are_equal(&shown, edge.proof.as_slice()).is_ok()
    });
    if right {
        return next.run(request).await;
    }
    telemetry::radius_decision("stranger");
    StatusCode::BAD_REQUEST.into_response()
}

/// Who asks from an address.
async fn client(State(edge): State<Edge>, Path(address): Path<String>) -> Response {
    match edge.client(&address).await {
        Ok(Some(attributes)) => {
            telemetry::radius_client("known");
            attributes
        }
        Ok(None) => {
            telemetry::radius_client("unknown");
            StatusCode::NOT_FOUND.into_response()
        }
        Err(fault) => {
            telemetry::radius_client("failed");
            edge.failed(&fault, "look up a NAS")
        }
    }
}

/// Whether a subscriber may in, or what their answer has to be checked against.
async fn authorize(State(edge): State<Edge>, body: Bytes) -> Response {
    match edge.authorize(&body).await {
        Ok((tenant, decision)) => {
            telemetry::radius_decision(decision.outcome());
            answer::of(tenant, &decision)
        }
        Err(fault) => {
            telemetry::radius_decision("failed");
            edge.failed(&fault, "decide about a subscriber")
        }
    }
}

/// The RADIUS server found a CHAP or MS-CHAPv2 answer right: its tries are forgotten.
async fn decided(State(edge): State<Edge>, body: Bytes) -> Response {
    let Ok(asked) = asked::read(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    edge.throttle.forget(&tries_of(asked.tenant, &asked.user_name)).await;
    telemetry::radius_decision("accepted");
    StatusCode::NO_CONTENT.into_response()
}

/// What the tries of one subscriber are counted under, whichever NAS they come by. Redis holds no names.
fn tries_of(tenant: TenantId, user_name: &str) -> String {
    let name: String = secrets::hex(&secrets::sha256(user_name)).chars().take(32).collect();
    format!("yard:auth:radius:{{{tenant}:{name}}}")
}

impl Edge {
    async fn client(&self, address: &str) -> Result<Option<Response>, Fault> {
        let Ok(address) = address.parse::<IpAddr>() else { return Ok(None) };
        let address = address.to_canonical().to_string();
        let mut tx = PlatformTx::begin(&self.aaa.0.pg, &Actor::service("auth")).await?;
        let found = store::by_address(&mut tx, &address).await?;
        tx.commit().await?;
        let Some(found) = found else { return Ok(None) };
        let tenant = TenantId::from_uuid(found.tenant_id);
        let mut tx = TenantTx::begin(&self.aaa.0.pg, tenant, &Actor::service("auth")).await?;
        let sealed = store::nas_secret(&mut tx, found.nas_id).await?;
        tx.commit().await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let key = keys::opened(&self.aaa.0.sealer, tenant, &found.key_sealed)?;
        let secret = key.open(nas::SECRET, found.nas_id.as_bytes(), &sealed)?;
        let secret = String::from_utf8(secret)
            .map_err(|e| Fault::internal("a NAS's secret is no text").with_source(e))?;
        Ok(Some(answer::client(tenant, found.nas_id, &secret)))
    }

    async fn authorize(&self, body: &[u8]) -> Result<(Option<TenantId>, Decision), Fault> {
        let asked = match asked::read(body) {
            Ok(asked) => asked,
            Err(Unusable::NoNas) => return Ok((None, Decision::Silence)),
            Err(Unusable::NoSubscriber) => return Ok((None, Decision::Refuse(Why::Malformed))),
        };
        let mut tx = PlatformTx::begin(&self.aaa.0.pg, &Actor::service("auth")).await?;
        let found = store::by_nas(&mut tx, asked.nas).await?;
        tx.commit().await?;
        // The RADIUS server knows NAS for up to a minute; here they are as they are now.
        let found = found.filter(|found| found.tenant_id == asked.tenant.uuid());
        let Some(found) = found else { return Ok((None, Decision::Silence)) };
        if !found.tenant_is_open {
            return Ok((None, Decision::Refuse(Why::TenantClosed)));
        }
        let tries = tries_of(asked.tenant, &asked.user_name);
        if self.throttle.count(&tries, self.attempts).await.is_some() {
            return Ok((None, Decision::Refuse(Why::Throttled)));
        }
        let decision = self.of_tenant(&asked, &found.key_sealed).await?;
        if matches!(decision, Decision::Accept(_)) {
            self.throttle.forget(&tries).await;
        }
        Ok((Some(asked.tenant), decision))
    }

    /// From here on only the tenant's own schema is asked.
    async fn of_tenant(&self, asked: &Asked, key_sealed: &[u8]) -> Result<Decision, Fault> {
        let service = Actor::service("auth");
        let mut tx = TenantTx::begin(&self.aaa.0.pg, asked.tenant, &service).await?;
        let enabled = store::nas_secret(&mut tx, asked.nas).await?.is_some();
        let subscriber = store::subscriber(&mut tx, &asked.user_name).await?;
        tx.commit().await?;
        if !enabled {
            return Ok(Decision::Silence);
        }
        let key = keys::opened(&self.aaa.0.sealer, asked.tenant, key_sealed)?;
        decide::decide(&asked.proof, subscriber.as_ref(), &key, self.aaa.0.clock.now())
    }

    /// Says nothing of why: that is in the log. The RADIUS server stays silent.
    fn failed(&self, fault: &Fault, doing: &'static str) -> Response {
        fault.log(&self.aaa.0.ids.uuid7().as_hyphenated().to_string(), doing);
        let status = match fault.code() {
            Code::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        status.into_response()
    }
}
