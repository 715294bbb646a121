//! The service on real PostgreSQL and Redis, driven through gRPC and HTTP only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod audit;
mod devices;
mod enrolment;
mod feed;
mod guard;
mod invitations;
mod keys;
mod mail;
mod people;
mod profile;
mod recovery;
mod sessions;
mod support;
mod tenancy;
mod throttle;
mod tokens;
mod upkeep;
