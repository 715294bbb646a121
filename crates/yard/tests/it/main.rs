//! Command families as they are called: the program itself, against an HTTP server that answers as
//! the gateway does and keeps what it was asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod gateway;
mod identity_providers;
mod invitations;
mod organizations;
mod people;
mod radius;
mod realtime_apps;
