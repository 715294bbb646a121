//! Limits on a real Redis.

#![cfg(test)]

mod cluster;
mod credentials;
mod encrypted;
mod shared;
