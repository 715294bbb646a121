//! The service on real PostgreSQL and Redis, driven through gRPC and HTTP only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod audit;
mod devices;
mod enrolment;
mod factor_support;
mod factors;
mod feed;
mod guard;
mod keys;
mod people;
mod required_factor;
mod second_factor;
mod sessions;
mod support;
mod tenancy;
mod throttle;
mod tokens;
