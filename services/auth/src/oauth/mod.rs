//! Our own token issuer: OAuth 2.1 with PKCE and OpenID Connect for mobile applications and partners.
//!
//! What a client is granted is a session of its own, so that it ends like any other: by whatever ends
//! the person, the membership, the tenant or the session, within the time the feed takes. Refresh
//! tokens are good once; who did not get the answer may ask again for ten seconds and gets the same
//! one, and whoever else shows an old one ends the grant (ADR 0026).

mod answer;
mod clients;
mod decision;
mod endpoints;
mod exchange;
mod family;
mod form;
mod grant;
mod grpc;
mod redirect;
mod request;
mod scope;
mod store;
mod user_info;

use std::sync::Arc;

use axum::Router;
use tonic::service::Routes;
use yard_authn::audit::Auditor;
use yard_authn::seal::Sealer;
use yard_contracts::federation::v1::authorization_service_server::AuthorizationServiceServer;
use yard_contracts::federation::v1::oauth_client_service_server::OauthClientServiceServer;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource};
use yard_pg::Pg;

use crate::LARGEST_REQUEST;
use crate::feed::Nudge;
use crate::keys::Keys;
use clients::ClientsGrpc;
use grpc::AuthorizationGrpc;

/// The issuer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Issuer(Arc<IssuerParts>);

/// What [`Issuer`] works with.
pub(crate) struct IssuerParts {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) keys: Keys,
    pub(crate) sealer: Sealer,
    pub(crate) nudge: Nudge,
    pub(crate) auditor: Auditor,
    /// The public address, without a slash at its end; empty where there is no issuer.
    pub(crate) url: String,
}

impl Issuer {
    pub(crate) fn new(parts: IssuerParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Whether a credential is meant to be an access token of ours.
    pub(crate) fn is_access_token(text: &str) -> bool {
        text.starts_with("eyJ")
    }

    /// Adds the RPCs.
    pub(crate) fn serve(&self, routes: Routes) -> Routes {
        let clients = ClientsGrpc { issuer: self.clone() };
        let authorizations = AuthorizationGrpc { issuer: self.clone() };
        let most = LARGEST_REQUEST;
        routes
            .add_service(OauthClientServiceServer::new(clients).max_decoding_message_size(most))
            .add_service(
                AuthorizationServiceServer::new(authorizations).max_decoding_message_size(most),
            )
    }

    /// What clients call by HTTP.
    pub(crate) fn router(&self) -> Router {
        endpoints::router(self.clone())
    }

    fn url(&self) -> Result<&str, Fault> {
        let url = self.0.url.as_str();
        if url.is_empty() { Err(Code::RouteNotFound.into()) } else { Ok(url) }
    }
}
