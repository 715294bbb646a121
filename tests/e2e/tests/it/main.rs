//! What holds across the services' borders.

#![cfg(test)]

mod catalogue;
mod matrix;
mod traces;
