//! What ends sockets besides their own grants: the end of their app, and their app's word.

use std::sync::Arc;

use futures::StreamExt as _;
use prost::Message as _;
use yard_contracts::realtime::v1::RealtimeControl;
use yard_contracts::subjects;
use yard_messaging::Nats;
use yard_runtime::{Runtime, TaskKind};

use super::Door;
use crate::app::{AppId, Ends};
use crate::channel::{ChannelKey, ChannelName};
use crate::protocol::Closing;

/// Does what instances tell each other, until the soft stop.
pub(crate) fn obey(door: Arc<Door>, nats: Nats, rt: &Runtime) {
    let soft = rt.shutdown().soft().clone();
    rt.tasks().spawn(TaskKind::Background, "control", async move {
        let mut notices = nats.subscribe_live(subjects::LIVE_CONTROL.to_owned()).await?;
        while let Some(Some(message)) = soft.run_until_cancelled(notices.next()).await {
            match RealtimeControl::decode(message.payload) {
                Ok(control) => door.obey(&control),
                Err(error) => tracing::warn!(error = %error, "a control message is not readable"),
            }
        }
        Ok(())
    });
}

/// Closes the sockets of apps that nobody may be in any more, until the soft stop.
pub(crate) async fn end_with_apps(
    door: Arc<Door>,
    mut ends: Ends,
    rt: Runtime,
) -> anyhow::Result<()> {
    let soft = rt.shutdown().soft().clone();
    while let Some(Some((app, why))) = soft.run_until_cancelled(ends.recv()).await {
        door.registry.end_app(app, None, why);
    }
    Ok(())
}

impl Door {
    fn obey(&self, control: &RealtimeControl) {
        let app = AppId::new(control.app);
        if control.app_changed {
            self.apps.doubt(app);
        }
        if let Ok(name) = ChannelName::parse(&control.confirmed_in) {
            self.confirmed.wake(&ChannelKey { app, name });
        }
        if !control.terminate_user.is_empty() {
            self.registry.end_app(app, Some(&control.terminate_user), Closing::Terminated);
        }
    }
}
