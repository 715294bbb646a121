//! What holds across the services' borders.

mod catalogue;
mod matrix;
