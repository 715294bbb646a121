//! The gateway, driven through its public listener against scripted services.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod caps;
mod configuration;
mod console;
mod doubles;
mod forms;
mod guard;
mod limits;
mod mapping;
mod openapi;
mod pass;
mod protection;
mod sessions;
mod socket;
mod streams;
mod support;
