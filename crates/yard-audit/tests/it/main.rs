//! Exports against those who would change them.

#![cfg(test)]

mod tampering;
mod vector;
