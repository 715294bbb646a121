//! Tenants' own identity providers: people sign in by OpenID Connect at a provider that their tenant
//! trusts (ADR 0027).
//!
//! A provider's word counts in its tenant alone. Who somebody is there is known by issuer and subject,
//! never by an e-mail address; an account that exists is linked by who is signed in to it.

mod config;
mod directory;
mod fetch;
mod flow;
mod grpc;
mod id_token;
mod places;
mod rules;
mod settings;
mod sign_in;
mod store;
mod upkeep;

pub use config::FederationConfig;

use std::sync::Arc;

use tonic::service::Routes;
use yard_authn::seal::Sealer;
use yard_contracts::federation::v1::federated_sign_in_service_server::FederatedSignInServiceServer;
use yard_contracts::federation::v1::identity_provider_service_server::IdentityProviderServiceServer;
use yard_ids::{Clock, IdSource};
use yard_pg::Pg;
use yard_runtime::Runtime;

use crate::feed::Nudge;
use crate::sessions::{Opener, Passwords};
use crate::{Config, LARGEST_REQUEST, resealing};
use directory::Directory;
use fetch::Fetcher;
use grpc::SignInGrpc;
use settings::ProvidersGrpc;
use upkeep::ClientSecrets;

/// The relying party. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Federation(Arc<Inner>);

struct Inner {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    sealer: Sealer,
    nudge: Nudge,
    opener: Opener,
    /// Hash of a password that nobody has, for who never chose one.
    nobody: Arc<str>,
    /// The public address, without a slash at its end.
    url: String,
    directory: Directory,
}

/// What [`Federation`] works with.
pub(crate) struct FederationParts {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    sealer: Sealer,
    nudge: Nudge,
    opener: Opener,
    nobody: Arc<str>,
}

impl FederationParts {
    pub(crate) fn over(
        runtime: &Runtime,
        pg: &Pg,
        sealer: &Sealer,
        nudge: &Nudge,
        opener: &Opener,
        passwords: &Passwords,
    ) -> Self {
        Self {
            pg: pg.clone(),
            clock: runtime.clock(),
            ids: runtime.ids(),
            sealer: sealer.clone(),
            nudge: nudge.clone(),
            opener: opener.clone(),
            nobody: passwords.nobodys(),
        }
    }
}

impl Federation {
    /// Refuses to start without a key that clients' secrets are sealed with.
    ///
    /// # Errors
    /// Names the option, file or key that cannot be used.
    pub(crate) async fn start(
        parts: FederationParts,
        config: &Config,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let url = config.issuer.url()?;
        let guard = config.federation.guard(&config.runtime.environment)?;
        let fetcher = Fetcher::new(guard, &config.federation.ca_file)?;
        let directory = Directory::new(fetcher, Arc::clone(&parts.clock));
        let FederationParts { pg, clock, ids, sealer, nudge, opener, nobody } = parts;
        resealing::start::<ClientSecrets>(&pg, &sealer, runtime).await?;
        let inner = Inner { pg, clock, ids, sealer, nudge, opener, nobody, url, directory };
        Ok(Self(Arc::new(inner)))
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
