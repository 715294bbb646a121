//! The service on real PostgreSQL and Redis, driven through gRPC and HTTP only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod audit;
mod authorities;
mod break_glass;
mod damage;
mod devices;
mod enrolment;
mod est;
mod export;
mod factor_support;
mod factors;
mod factory;
mod factory_signature;
mod federation;
mod feed;
mod guard;
mod invitations;
mod keys;
mod limits;
mod mail;
mod memberships;
mod oauth;
mod overrides;
mod own_sessions;
mod passkey_domain;
mod passkey_owner;
mod passkey_refusals;
mod passkey_support;
mod passkeys;
mod people;
mod profile;
mod reauthenticate;
mod recovery;
mod registration;
mod renewals;
mod required_factor;
mod rights_support;
mod roles;
mod second_factor;
mod sessions;
mod support;
mod tenancy;
mod throttle;
mod tokens;
mod upkeep;
