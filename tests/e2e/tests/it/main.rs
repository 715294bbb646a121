//! What holds across the services' borders.

#![cfg(test)]

mod audit;
mod catalogue;
mod certificates;
mod idempotency;
mod matrix;
mod openid;
mod provider;
mod traces;
