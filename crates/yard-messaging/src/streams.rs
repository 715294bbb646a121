use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::{self, Store};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use yard_contracts::streams::{ALL, BucketSpec, Retention, StreamSpec};

use crate::MessagingError;

/// Makes every stream that is missing and updates the others. A stream is never made anew.
pub(crate) async fn ensure(context: &Context, replicas: usize) -> Result<(), MessagingError> {
    for spec in &ALL {
        context.create_or_update_stream(config(spec, replicas)).await.map_err(|e| {
            MessagingError::SetUp { what: format!("stream {}", spec.name), source: Box::new(e) }
        })?;
    }
    Ok(())
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
