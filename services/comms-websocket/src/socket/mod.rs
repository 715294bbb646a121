//! The sockets: listener, opening handshake, one session each, and the drain.

mod door;
mod handshake;
mod listener;
mod refusal;
mod registry;
mod session;

pub(crate) use door::Door;
pub(crate) use listener::serve;
