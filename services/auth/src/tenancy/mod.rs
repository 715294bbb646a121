//! Tenants: made by those who run the platform or by registration, suspended and closed by the first,
//! named and set up by their owners.
//!
//! `requested → provisioning → ready ⇄ suspended → closing → closed`. The two states that are work in
//! progress are rows that the [`caretaker`] finds, so a crash only delays them.

mod caretaker;
mod closure;
mod export;
mod founder;
mod grpc;
mod limits;
pub(crate) mod names;
mod organization;
mod plans;
mod store;

use tonic::service::Routes;
use yard_contracts::tenancy::v1::organization_service_server::OrganizationServiceServer;
use yard_contracts::tenancy::v1::tenant_service_server::TenantServiceServer;
use yard_pg::Pg;
use yard_runtime::Runtime;

use crate::LARGEST_REQUEST;
use export::Exports;
use grpc::TenantsGrpc;
use organization::OrganizationGrpc;

pub(crate) use founder::{Founder, NewTenant};
pub(crate) use plans::is_plan;

/// Adds the services of this domain.
pub(crate) fn serve(routes: Routes, pg: &Pg, founder: Founder, runtime: &Runtime) -> Routes {
    let tenants = TenantsGrpc { pg: pg.clone(), clock: runtime.clock(), founder };
    let tenants = TenantServiceServer::new(tenants).max_decoding_message_size(LARGEST_REQUEST);
    let organization = OrganizationGrpc {
        pg: pg.clone(),
        clock: runtime.clock(),
        exports: Exports::new(pg.clone(), runtime.clock(), runtime.ids()),
    };
    let organization =
        OrganizationServiceServer::new(organization).max_decoding_message_size(LARGEST_REQUEST);
    routes.add_service(tenants).add_service(organization)
}
