use std::future::ready;
use std::pin::Pin;

use rumqttc::{
    PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey,
};

/// Publishes of ours without the broker's acknowledgement. The library keeps a place ready for each
/// possible one, 18 MB for all 65,535; commands, receipts and notices need far fewer.
pub(super) const MOST_UNDER_WAY: u16 = 1_000;

type Answer<'a, T> =
    Pin<Box<dyn std::future::Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Tells the client library that a fresh process takes over the broker's session with nothing of
/// its own under way. That is so: what we publish is repeated from the database, never from the
/// session. Without it the library refuses a session that it did not begin itself.
#[derive(Debug)]
pub(super) struct NothingUnderWay {
    pub(super) session_expiry: u32,
}

impl SessionStore for NothingUnderWay {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(self.session_expiry),
            outgoing_inflight_upper_limit: Some(MOST_UNDER_WAY),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(ready(Ok(Some(session))))
    }

    fn save<'a>(
        &'a self,
        _key: &'a SessionStoreKey,
        _session: &'a PersistedSession,
    ) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn clear<'a>(&'a self, _key: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }
}
