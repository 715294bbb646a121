//! The service on real PostgreSQL and Redis, driven through gRPC and HTTP only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod audit;
mod damage;
mod devices;
mod enrolment;
mod est;
mod factory;
mod feed;
mod guard;
mod keys;
mod people;
mod renewals;
mod sessions;
mod support;
mod tenancy;
mod throttle;
mod tokens;
