//! Tenants: made, suspended, closed by those who run the platform; named and set up by their owners.
//!
//! `requested → provisioning → ready ⇄ suspended → closing → closed`. The two states that are work in
//! progress are rows that the [`Caretaker`] finds, so a crash only delays them.

mod caretaker;
mod closure;
mod export;
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
use caretaker::Caretaker;
use export::Exports;
use grpc::TenantsGrpc;
use organization::OrganizationGrpc;

/// Adds the services of this domain, and begins to look after tenants.
pub(crate) fn serve(routes: Routes, pg: &Pg, runtime: &Runtime) -> Routes {
    let tenants = TenantsGrpc {
        pg: pg.clone(),
        clock: runtime.clock(),
        ids: runtime.ids(),
        caretaker: Caretaker::start(pg, runtime),
    };
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
