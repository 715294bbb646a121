use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use x509_parser::pem::parse_x509_pem;
use yard_authn::audit::{Auditor, Origin};
use yard_fault::{Classify as _, Fault};
use yard_ids::Clock;
use yard_limits::{Limit, Local};

use super::caller::{self, Connection};
use super::error::Refusal;
use super::{body, pkcs7};
use crate::ca::{DeviceKey, Issued};
use crate::devices::Enrolment;
use crate::factory::FactoryEnrolment;
use crate::renewals::Renewals;

/// Requests of one address that sign something. A gateway in front of a fleet is one address.
const PER_ADDRESS: Limit = Limit { burst: 120, interval: Duration::from_millis(500) };
const MOST_ADDRESSES: usize = 10_000;

const CACERTS: &str = "/.well-known/est/cacerts";
const CSRATTRS: &str = "/.well-known/est/csrattrs";
const SIMPLEENROLL: &str = "/.well-known/est/simpleenroll";
const SIMPLEREENROLL: &str = "/.well-known/est/simplereenroll";

/// What EST needs of the rest.
pub(crate) struct EstParts {
    pub(crate) enrolment: Enrolment,
    pub(crate) factory: FactoryEnrolment,
    pub(crate) renewals: Renewals,
    pub(crate) auditor: Auditor,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The four operations; cheap to clone.
#[derive(Clone)]
pub(crate) struct Est {
    parts: Arc<EstParts>,
    limits: Arc<Local>,
}

impl Est {
    pub(crate) fn new(parts: EstParts) -> Self {
        let limits = Arc::new(Local::new(Arc::clone(&parts.clock), MOST_ADDRESSES));
        Self { parts: Arc::new(parts), limits }
    }

    /// Each request has to carry a [`Connection`].
    pub(super) fn router(self) -> Router {
        Router::new()
            .route(CACERTS, get(cacerts))
            .route(CSRATTRS, get(csrattrs))
            .route(SIMPLEENROLL, post(simpleenroll))
            .route(SIMPLEREENROLL, post(simplereenroll))
            .layer(DefaultBodyLimit::max(body::LARGEST))
            .with_state(self)
    }

    fn admit(&self, connection: &Connection) -> Result<(), Refusal> {
        let key = yard_limits::network(connection.address).to_string();
        let limit = [(key.clone(), PER_ADDRESS)];
        self.limits.admit(&key, &limit).wait.map_or(Ok(()), |wait| Err(Refusal::slow_down(wait)))
    }
}

/// The device CAs, of which a client may know one already.
async fn cacerts(State(est): State<Est>) -> Result<Response, Refusal> {
    let authorities = est.parts.enrolment.ca.authorities();
    let authorities: Vec<&[u8]> = authorities.iter().map(Vec::as_slice).collect();
    let headers = [(header::CONTENT_TYPE, "application/pkcs7-mime")];
    Ok((headers, base64(&pkcs7::certs_only(&authorities))).into_response())
}

async fn csrattrs() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/csrattrs")];
    (headers, base64(&pkcs7::csr_attributes())).into_response()
}

async fn simpleenroll(
    State(est): State<Est>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    content: Bytes,
) -> Result<Response, Refusal> {
    est.admit(&connection)?;
    let EstParts { enrolment, factory, auditor, .. } = &*est.parts;
    let origin = origin(&connection, &headers);
    if let Some(code) = caller::claim_code(&headers) {
        let issued = enrolment.by_est(&code, key(&headers, &content)?, auditor, origin);
        return certificate(&issued.await?);
    }
    // A certificate that is for something else is none here.
    let shown = connection.certificate.as_deref().filter(|shown| factory.is_meant(shown));
    let Some(shown) = shown else {
        return Err(Refusal::unauthorized("the claim code is the password of HTTP Basic"));
    };
    let issued = factory.by_tls(shown, key(&headers, &content)?, auditor, origin);
    certificate(&issued.await?)
}

async fn simplereenroll(
    State(est): State<Est>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    content: Bytes,
) -> Result<Response, Refusal> {
    est.admit(&connection)?;
    let Some(shown) = connection.certificate.as_deref() else {
        let text = "the certificate to be renewed has to be shown in the TLS handshake";
        return Err(Refusal::unauthorized(text));
    };
    let key = key(&headers, &content)?;
    let renewals = &est.parts.renewals;
    let issued = renewals.by_tls(shown, key, &est.parts.auditor, origin(&connection, &headers));
    certificate(&issued.await?)
}

fn origin(connection: &Connection, headers: &HeaderMap) -> Origin {
    Origin::new(&connection.address.to_string(), caller::agent(headers), None)
}

fn key(headers: &HeaderMap, content: &[u8]) -> Result<DeviceKey, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/pkcs10") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(status, "the content type has to be application/pkcs10"));
    }
    let der = body::read(content)
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "the body has to be base64"))?;
    Ok(DeviceKey::of_der(&der).map_err(|refused| refused.into_fault())?)
}

/// The one certificate and nothing else, as RFC 7030 has it.
fn certificate(issued: &Issued) -> Result<Response, Refusal> {
    let (_, block) = parse_x509_pem(issued.pem.as_bytes())
        .map_err(|e| Fault::internal("a certificate of ours").with_source(e))?;
    let kind = "application/pkcs7-mime; smime-type=certs-only";
    let headers = [(header::CONTENT_TYPE, kind)];
    Ok((headers, base64(&pkcs7::certs_only(&[&block.contents]))).into_response())
}

fn base64(der: &[u8]) -> Response {
    ([("content-transfer-encoding", "base64")], body::write(der)).into_response()
}
