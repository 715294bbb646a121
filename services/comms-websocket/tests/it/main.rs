//! comms-websocket in this process, against real NATS and Redis servers, through its public interfaces.

#![cfg(test)]

mod api;
mod api_client;
mod apps;
mod balancer;
mod calls;
mod client_events;
mod cluster;
mod confirmed;
mod faults;
mod handshake;
mod helper_js;
mod hostile;
mod inspection;
mod live;
mod memory;
mod presence;
mod program;
mod pusher_js;
mod raw;
mod recoverable;
mod rust_client;
mod sdks;
mod sessions;
mod slow;
mod support;
mod tickets;
mod tls;
mod webhooks;
mod wire;
