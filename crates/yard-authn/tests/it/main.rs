//! Tokens and policies against those who would bend them.

#![cfg(test)]

mod policies;
mod tokens;
