//! comms-websocket in this process, against real NATS and Redis servers, through its public interfaces.

#![cfg(test)]

mod api;
mod api_client;
mod apps;
mod calls;
mod client_events;
mod cluster;
mod faults;
mod handshake;
mod hostile;
mod live;
mod memory;
mod presence;
mod pusher_js;
mod raw;
mod sessions;
mod slow;
mod support;
mod tickets;
mod tls;
mod wire;
