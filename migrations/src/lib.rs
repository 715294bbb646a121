//! The schema, and the only code that runs under an owner's rights.
//!
//! Shared migrations run once a database, tenant migrations once a tenant's schema. Applied files
//! are remembered with their checksum, so a released file cannot change unnoticed; a run that was
//! interrupted goes on where it stopped. Tenant migrations are applied by a function in the database,
//! `platform.migrate_tenant`, which auth may call: a tenant is made while the services run.

pub mod bootstrap;
mod files;
mod rollout;
mod run;
mod tenant;

pub use rollout::{Report, Rollout, TenantStatus, status};
pub use run::{MigrationError, connect, migrate, set_role_passwords};
pub use tenant::{NewTenant, create_tenant};

/// The services' database roles.
pub const SERVICE_ROLES: [&str; 5] =
    ["yard_auth", "yard_comms", "yard_ingest", "yard_scheduler", "yard_worker"];
