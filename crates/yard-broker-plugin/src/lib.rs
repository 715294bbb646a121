//! The platform's eyes and hands inside Mosquitto (plugin interface 5, Mosquitto 2.0).
//!
//! It sees what no client can see and does what no client can do:
//! - **refusals**: a device that writes, subscribes or would receive outside its own topics is
//!   refused here, before the access rules file is asked, and counted; so is a connection whose
//!   certificate did not hold;
//! - **kicks**: device-ingest, and nobody else, may ask for the end of a device's connections;
//! - **the revocation list**: which one the broker has in force, and whether it could read it.
//!
//! What it allows a device it leaves to the access rules file, so there are two lines of defence, and
//! a plugin that fails opens nothing. Everything it tells goes to topics below `$yard/v1`, which only
//! device-ingest may read: at most one report a second, of bounded size, whatever a device does.
//!
//! `rules`, `handshake`, `tally` and `guard` are plain Rust and hold all decisions; `ffi` is the
//! only module that speaks C.

#[cfg(not(test))]
#[expect(unsafe_code, reason = "the broker's interface is C; every block says why it is sound")]
mod ffi;
mod guard;
mod handshake;
mod json;
mod rules;
mod tally;
