//! Tenants' schemas: made by a service without an owner's rights, rolled out with a brake.

#![cfg(test)]

mod provisioning;
mod rollout;
