//! `yard people`, `yard invitations`, `yard organizations`: who is in your tenant, how they come in,
//! and the tenants that you are in yourself.

mod invitations;
mod members;
mod organizations;

pub use invitations::{InvitationsCommand, run as run_invitations};
pub use members::{PeopleCommand, run as run_people};
pub use organizations::{OrganizationsCommand, run as run_organizations};
