//! The gRPC side: settings, signatures for joins, and tails.

mod grpc;
mod tail;

use std::sync::Arc;

use tokio::sync::Semaphore;
use yard_authn::Caller;
use yard_fault::{Code, Fault};
use yard_runtime::Runtime;

use crate::app::Apps;
use crate::channel::{ChannelName, Topic};
use crate::config::Config;
use crate::hub::{Hub, Limits};
use crate::ticket::Tickets;

/// Serves `yard.realtime.v1.RealtimeService`.
pub(crate) struct Realtime {
    apps: Apps,
    hub: Hub,
    limits: Limits,
    activity_timeout_seconds: i32,
    tails: Arc<Semaphore>,
    tickets: Tickets,
    rt: Runtime,
}

impl Realtime {
    pub(crate) fn new(
        config: &Config,
        apps: Apps,
        hub: Hub,
        tickets: Tickets,
        rt: &Runtime,
    ) -> Self {
        let socket = &config.socket;
        Self {
            apps,
            hub,
            limits: Limits { items: socket.outbound_queue, bytes: socket.outbound_bytes },
            activity_timeout_seconds: i32::try_from(socket.activity_timeout.as_secs())
                .unwrap_or(i32::MAX),
            tickets,
            tails: Arc::new(Semaphore::new(config.tail.max_streams)),
            rt: rt.clone(),
        }
    }
}

/// The channel of that name, if the caller's tenant owns it and they may hear it. Whether the device exists is not
/// looked at and so not told.
fn allowed(caller: &Caller, channel: &str) -> Result<(ChannelName, Topic), Fault> {
    let name = ChannelName::parse(channel)
        .map_err(|error| Fault::new(Code::ChannelInvalid).with_source(error))?;
    let topic = Topic::of(&name).ok_or_else(|| Fault::new(Code::ChannelInvalid))?;
    if topic.tenant() != caller.tenant()? {
        return Err(Code::ChannelForbidden.into());
    }
    if !caller.has(topic.permission()) {
        return Err(Code::ChannelForbidden.into());
    }
    Ok((name, topic))
}
