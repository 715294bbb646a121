//! Limits on a real Redis.

#![cfg(test)]

mod cluster;
mod shared;
