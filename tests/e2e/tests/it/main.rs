//! What holds across the services' borders.

#![cfg(test)]

mod audit;
mod catalogue;
mod certificates;
mod matrix;
mod traces;
