//! `yard send` and `yard tail`: act on a device and watch it.

mod arguments;
mod send;
mod tail;

pub use send::{SendArgs, run as send};
pub use tail::{TailArgs, run as tail};
