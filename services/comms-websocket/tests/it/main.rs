//! comms-websocket in this process, against real NATS and Redis servers, through its public interfaces.

#![cfg(test)]

mod api;
mod api_client;
mod apps;
mod calls;
mod client_events;
mod faults;
mod handshake;
mod live;
mod memory;
mod presence;
mod program;
mod pusher_js;
mod sdks;
mod sessions;
mod slow;
mod support;
mod tickets;
mod watch_lists;
