//! The sockets: listener, opening handshake, one session each, and the drain.

mod admission;
mod control;
mod door;
mod handshake;
mod listener;
mod notice;
mod refusal;
mod registry;
mod session;
mod standing;

pub(crate) use control::{end_with_apps, obey};
pub(crate) use door::Door;
pub(crate) use listener::serve;
pub(crate) use notice::pass_on;
pub(crate) use refusal::Stream;
pub(crate) use standing::{Judge, end_with_grants};
