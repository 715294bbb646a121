use std::sync::Arc;

use futures::StreamExt as _;
use serde_json::Value;
use yard_contracts::subjects;
use yard_messaging::Nats;
use yard_runtime::{Runtime, TaskKind};

use super::Door;
use crate::protocol;

/// The event by which every socket hears that maintenance began or ended.
const EVENT: &str = "switchyard:maintenance";

/// Passes on to every socket what concerns all of them.
pub(crate) fn pass_on(door: Arc<Door>, nats: Nats, rt: &Runtime) {
    let soft = rt.shutdown().soft().clone();
    rt.tasks().spawn(TaskKind::Background, "notices", async move {
        let mut notices = nats.subscribe_live(subjects::MAINTENANCE.to_owned()).await?;
        while let Some(Some(message)) = soft.run_until_cancelled(notices.next()).await {
            // Written anew, so that nothing but one JSON text can reach a client.
            match serde_json::from_slice::<Value>(&message.payload) {
                Ok(data) => door.registry.announce(&protocol::notice(EVENT, &data.to_string())),
                Err(error) => tracing::warn!(error = %error, "a notice could not be read"),
            }
        }
        Ok(())
    });
}
