//! The audit trail: one chain of entries for each tenant and one for the platform.
//!
//! Records come from the other services by the stream AUDIT and from this one directly; whichever
//! way, they become entries here, under a lock on the chain's head, so that each chain has one
//! writer at a time, numbers without gaps and one hash after the other. A record that comes twice
//! is stored once. Every minute the heads of all chains go under a signed root.

mod append;
mod export;
pub(crate) mod grpc;
mod incoming;
mod key_rows;
mod people;
mod read;
mod roots;
mod rows;
mod store;
mod subjects;
mod writer;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::PgConnection;
use uuid::Uuid;
use yard_audit::SigningKey;
use yard_authn::seal::Sealer;
use yard_ids::{Clock, TenantId};
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PgError, PlatformTx, TenantTx};
use yard_runtime::{ConfigError, Runtime, Secret, TaskKind};

use crate::config::AuditConfig;

pub(crate) use writer::Trail;

/// What all parts of the trail work with.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sealer: Sealer,
    pub(crate) key: Arc<SigningKey>,
}

impl Desk {
    /// Reads the key that signs roots.
    pub(crate) fn load(
        config: &AuditConfig,
        pg: Pg,
        sealer: Sealer,
        runtime: &Runtime,
    ) -> Result<Self, ConfigError> {
        const OPTION: &str = "audit.root_key_file";
        let pem = Secret::from_file(OPTION, &config.root_key_file)?;
        let key = SigningKey::from_pem(pem.expose())
            .map_err(|problem| ConfigError::new(OPTION, problem.to_string()))?;
        Ok(Self { pg, clock: runtime.clock(), sealer, key: Arc::new(key) })
    }

    /// Starts everything that runs by itself; records of this service's own calls go to the trail
    /// that comes back.
    pub(crate) fn start(&self, config: &AuditConfig, runtime: &Runtime, nats: &Nats) -> Trail {
        let trail = writer::start(self, runtime, config.root_interval / 4);
        writer::consume(self, runtime, nats);
        let roots = roots::run(self.clone(), config.clone(), runtime.shutdown().soft().clone());
        runtime.tasks().spawn(TaskKind::Critical, "audit roots", roots);
        trail
    }
}

/// A transaction that sees one chain: a tenant's own, or the platform's.
enum ChainTx {
    Tenant(TenantTx),
    Platform(PlatformTx),
}

impl ChainTx {
    async fn begin(pg: &Pg, chain: Uuid, actor: &Actor) -> Result<Self, PgError> {
        if chain == PLATFORM {
            return PlatformTx::begin(pg, actor).await.map(Self::Platform);
        }
        TenantTx::begin(pg, TenantId::from_uuid(chain), actor).await.map(Self::Tenant)
    }

    /// For a search, which may be a little behind.
    async fn begin_reader(pg: &Pg, chain: Uuid, actor: &Actor) -> Result<Self, PgError> {
        if chain == PLATFORM {
            return PlatformTx::begin_reader(pg, actor).await.map(Self::Platform);
        }
        let tenant = TenantId::from_uuid(chain);
        TenantTx::begin_reader(pg, tenant, actor).await.map(Self::Tenant)
    }

    async fn commit(self) -> Result<(), PgError> {
        match self {
            Self::Tenant(tx) => tx.commit().await,
            Self::Platform(tx) => tx.commit().await,
        }
    }
}

impl Deref for ChainTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Tenant(tx) => tx,
            Self::Platform(tx) => tx,
        }
    }
}

impl DerefMut for ChainTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Tenant(tx) => tx,
            Self::Platform(tx) => tx,
        }
    }
}

/// The chain of the platform; every other is its tenant's id.
const PLATFORM: Uuid = Uuid::nil();

/// A chain's name in hashes and exports.
fn chain_name(chain: Uuid) -> String {
    if chain == PLATFORM {
        yard_audit::PLATFORM.to_owned()
    } else {
        chain.as_hyphenated().to_string()
    }
}
