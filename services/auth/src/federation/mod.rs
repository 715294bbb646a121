//! Tenants' own identity providers: people sign in by OpenID Connect at a provider that their tenant
//! trusts (ADR 0027).
//!
//! A provider's word counts in its tenant alone. Who somebody is there is known by issuer and subject,
//! never by an e-mail address; an account that exists is linked by who is signed in to it.

mod address;
mod directory;
mod fetch;
mod flow;
mod grpc;
mod id_token;
mod rules;
mod settings;
mod sign_in;
mod store;

use std::sync::Arc;

use tonic::service::Routes;
use yard_authn::seal::Sealer;
use yard_contracts::federation::v1::federated_sign_in_service_server::FederatedSignInServiceServer;
use yard_contracts::federation::v1::identity_provider_service_server::IdentityProviderServiceServer;
use yard_ids::{Clock, IdSource};
use yard_limits::Network;
use yard_pg::Pg;

use crate::LARGEST_REQUEST;
use crate::config::FederationConfig;
use crate::feed::Nudge;
use address::Guard;
use directory::Directory;
use fetch::Fetcher;
use grpc::SignInGrpc;
use settings::ProvidersGrpc;

/// The relying party. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Federation(Arc<Inner>);

struct Inner {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    sealer: Sealer,
    nudge: Nudge,
    lifetime: time::Duration,
    /// The public address, without a slash at its end.
    url: String,
    directory: Directory,
}

/// What [`Federation`] works with.
pub(crate) struct FederationParts {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) sealer: Sealer,
    pub(crate) nudge: Nudge,
    /// Of a session.
    pub(crate) lifetime: time::Duration,
    pub(crate) url: String,
}

impl Federation {
    pub(crate) fn new(parts: FederationParts, config: &FederationConfig) -> anyhow::Result<Self> {
        let allowed = config.allowed_networks.iter().filter_map(|text| Network::parse(text));
        let guard = Guard::new(allowed.collect(), config.plain_http);
        let directory = Directory::new(Fetcher::new(guard)?, Arc::clone(&parts.clock));
        let FederationParts { pg, clock, ids, sealer, nudge, lifetime, url } = parts;
        Ok(Self(Arc::new(Inner { pg, clock, ids, sealer, nudge, lifetime, url, directory })))
    }

    /// Adds the RPCs.
    pub(crate) fn serve(&self, routes: Routes) -> Routes {
        let settings = ProvidersGrpc { federation: self.clone() };
        let sign_ins = SignInGrpc { federation: self.clone() };
        let most = LARGEST_REQUEST;
        routes
            .add_service(
                IdentityProviderServiceServer::new(settings).max_decoding_message_size(most),
            )
            .add_service(
                FederatedSignInServiceServer::new(sign_ins).max_decoding_message_size(most),
            )
    }
}
