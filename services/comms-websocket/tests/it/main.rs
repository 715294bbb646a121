//! comms-websocket in this process, against a real NATS server, through its public interfaces.

#![cfg(test)]

mod calls;
mod faults;
mod handshake;
mod live;
mod memory;
mod pusher_js;
mod sessions;
mod slow;
mod support;
mod tickets;
