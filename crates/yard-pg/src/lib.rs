//! The only doors to PostgreSQL.
//!
//! [`TenantTx`] works for one tenant: `search_path` is its schema and row level security lets
//! nothing else through. [`PlatformTx`] works on `platform` tables across tenants, for code that
//! has to find the tenant first. Both set their context locally, so pooling in transaction mode is
//! safe. SQL is `&'static str` (sqlx refuses anything else), values are always bound.

mod config;
mod error;
mod leader;
pub mod limit;
pub mod outbox;
pub mod page;
mod pool;
mod reader;
mod tx;

pub use config::PostgresConfig;
pub use error::{PgError, fault};
pub use leader::{Lease, LeaseHold};
pub use pool::Pg;
pub use tx::{Actor, PlatformTx, TenantTx};

/// The name of a tenant's schema, `ts_` and its UUID without hyphens.
#[must_use]
pub fn tenant_schema(tenant: yard_ids::TenantId) -> String {
    format!("ts_{}", tenant.uuid().as_simple())
}
