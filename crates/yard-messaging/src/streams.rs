use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::kv::{self, Store};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use yard_contracts::streams::{ALL, BucketSpec, Retention, StreamSpec};

use crate::MessagingError;

/// How often a stream is asked for while the server says that it has no room.
const ROOM_ATTEMPTS: u32 = 20;

/// Makes every stream that is missing and updates the others. A stream is never made anew.
pub(crate) async fn ensure(context: &Context, replicas: usize) -> Result<(), MessagingError> {
    for spec in &ALL {
        make(context, &config(spec, replicas)).await.map_err(|e| MessagingError::SetUp {
            what: format!("stream {}", spec.name),
            source: Box::new(e),
        })?;
    }
    Ok(())
}

/// Services that start together make the same streams. The server reserves `max_bytes` for each
/// request before it looks whether the stream is there, so one that has room for all streams once
/// may refuse while another service is asking: a moment later the room is free again.
async fn make(context: &Context, config: &Config) -> Result<(), CreateStreamError> {
    let mut attempt = 0;
    loop {
        match context.create_or_update_stream(config.clone()).await {
            Err(error) if no_room(&error) && attempt < ROOM_ATTEMPTS => attempt += 1,
            done => return done.map(drop),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn no_room(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(cause)
        if cause.error_code() == ErrorCode::STORAGE_RESOURCES_EXCEEDED)
}

/// Makes the bucket, or brings it up to date.
pub(crate) async fn bucket(
    context: &Context,
    spec: &BucketSpec,
    replicas: usize,
) -> Result<Store, MessagingError> {
    let config = kv::Config {
        bucket: spec.name.to_owned(),
        history: 1,
        max_age: Duration::from_secs(spec.max_age_seconds),
        max_bytes: spec.max_bytes,
        storage: StorageType::File,
        num_replicas: replicas,
        ..kv::Config::default()
    };
    context.create_or_update_key_value(config).await.map_err(|e| MessagingError::SetUp {
        what: format!("bucket {}", spec.name),
        source: Box::new(e),
    })
}

fn config(spec: &StreamSpec, replicas: usize) -> Config {
    Config {
        name: spec.name.to_owned(),
        subjects: spec.subjects.iter().map(|&s| s.to_owned()).collect(),
        retention: match spec.retention {
            Retention::WorkQueue => RetentionPolicy::WorkQueue,
            Retention::Limits => RetentionPolicy::Limits,
        },
        discard: if spec.discard_old { DiscardPolicy::Old } else { DiscardPolicy::New },
        storage: StorageType::File,
        max_bytes: spec.max_bytes,
        max_age: Duration::from_secs(spec.max_age_seconds),
        duplicate_window: Duration::from_secs(spec.duplicate_window_seconds),
        num_replicas: replicas,
        allow_direct: true,
        ..Config::default()
    }
}
