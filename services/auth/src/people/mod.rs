//! People: members of a tenant, how they come in, what they know of themselves, how they go from one
//! tenant to another, and how they get in again without their password.

pub(crate) mod accounts;
pub(crate) mod fields;
mod invitations;
mod links;
pub(crate) mod members;
mod memberships;
mod notices;
mod profile;
mod recovery;
mod store;

use std::sync::Arc;

use tonic::service::Routes;
use yard_authn::Caller;
use yard_authn::seal::Sealer;
use yard_contracts::identity::v1::invitation_service_server::InvitationServiceServer;
use yard_contracts::identity::v1::membership_service_server::MembershipServiceServer;
use yard_contracts::identity::v1::people_service_server::PeopleServiceServer;
use yard_contracts::identity::v1::profile_service_server::ProfileServiceServer;
use yard_contracts::identity::v1::recovery_service_server::RecoveryServiceServer;
use yard_fault::Fault;
use yard_ids::{Clock, IdSource};
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::Runtime;

use crate::LARGEST_REQUEST;
use crate::feed::Nudge;
use crate::mail::Post;
use crate::sessions::{Opener, Passwords};
use invitations::grpc::InvitationsGrpc;
use members::grpc::PeopleGrpc;
use memberships::grpc::MembershipsGrpc;
use profile::grpc::ProfileGrpc;
use recovery::clerk::Clerk;
use recovery::grpc::RecoveryGrpc;
pub(crate) use store::lock_tenant;

pub(crate) use accounts::{NewAccount, join, make as make_account, note_verified};
pub(crate) use links::LinkToken;
pub(crate) use notices::{Notice, tell};

/// Without one of these nobody could let anybody in.
pub(crate) const OWNER: &str = "owner";

/// What all of it works with.
pub(crate) struct PeopleParts {
    pg: Pg,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    post: Post,
    passwords: Passwords,
    sealer: Sealer,
    nudge: Nudge,
}

impl PeopleParts {
    pub(crate) fn over(
        runtime: &Runtime,
        pg: &Pg,
        post: Post,
        passwords: Passwords,
        sealer: Sealer,
        nudge: &Nudge,
    ) -> Self {
        let (clock, ids) = (runtime.clock(), runtime.ids());
        Self { pg: pg.clone(), clock, ids, post, passwords, sealer, nudge: nudge.clone() }
    }

    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }
}

/// Adds the services of this domain, and begins to look after who asked for a new password.
pub(crate) fn serve(
    routes: Routes,
    parts: PeopleParts,
    opener: Opener,
    runtime: &Runtime,
) -> Routes {
    let parts = Arc::new(parts);
    let clerk = Clerk::start(&parts, runtime);
    let most = LARGEST_REQUEST;
    let people = PeopleServiceServer::new(PeopleGrpc { parts: Arc::clone(&parts) });
    let invitations = InvitationServiceServer::new(InvitationsGrpc { parts: Arc::clone(&parts) });
    let profile = ProfileServiceServer::new(ProfileGrpc { parts: Arc::clone(&parts) });
    let memberships = MembershipsGrpc { parts: Arc::clone(&parts), opener };
    let memberships = MembershipServiceServer::new(memberships);
    let recovery = RecoveryServiceServer::new(RecoveryGrpc { parts, clerk });
    routes
        .add_service(people.max_decoding_message_size(most))
        .add_service(invitations.max_decoding_message_size(most))
        .add_service(memberships.max_decoding_message_size(most))
        .add_service(profile.max_decoding_message_size(most))
        .add_service(recovery.max_decoding_message_size(most))
}
