//! Readings straight into the telemetry stream.

use std::future::IntoFuture as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::{ConnectOptions, HeaderMap, ServerAddr};
use clap::Args;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;
use yard_contracts::subjects;
use yard_contracts::telemetry::v1::TelemetryRecord;
use yard_ids::{Clock as _, DeviceId, IdSource as _, RandomIds, SystemClock, TenantId};

// Confirmed together; the client blocks when more are under way than it was told.
const WINDOW: u64 = 1_000;

/// What to put in.
#[derive(Debug, Args)]
pub(crate) struct FillArgs {
    /// File with the NATS URL.
    #[arg(long)]
    nats_url_file: PathBuf,
    /// The tenant that the readings belong to.
    #[arg(long)]
    tenant: Uuid,
    /// How many made-up devices they come from.
    #[arg(long, default_value_t = 200)]
    devices: u64,
    /// How many readings.
    #[arg(long, default_value_t = 300_000)]
    readings: u64,
}

/// Publishes all readings and waits until each is confirmed.
pub(crate) async fn run(args: &FillArgs) -> Result<Value> {
    let context = connect(&args.nats_url_file).await?;
    let tenant = TenantId::from_uuid(args.tenant);
    let devices: Vec<_> =
        (0..args.devices.max(1)).map(|_| DeviceId::from_uuid(RandomIds.uuid7())).collect();
    let begun = Instant::now();
    let mut waiting = Vec::new();
    for number in 0..args.readings {
        let index = usize::try_from(number % args.devices.max(1))?;
        let device = devices.get(index).context("a device for each number")?;
        let sequence = i64::try_from(number / args.devices.max(1))? + 1;
        let record = reading(tenant, *device, sequence);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", record.message_id.as_str());
        let subject = subjects::telemetry(tenant, *device, "reading");
        let payload = record.encode_to_vec().into();
        waiting.push(context.publish_with_headers(subject, headers, payload).await?);
        if (number + 1) % WINDOW == 0 {
            for ack in waiting.drain(..) {
                ack.into_future().await?;
            }
        }
    }
    for ack in waiting {
        ack.into_future().await?;
    }
    Ok(json!({ "published": args.readings, "seconds": begun.elapsed().as_secs_f64() }))
}

fn reading(tenant: TenantId, device: DeviceId, sequence: i64) -> TelemetryRecord {
    let now = SystemClock.now();
    let stamp = prost_types::Timestamp {
        seconds: now.unix_timestamp(),
        nanos: i32::try_from(now.nanosecond()).unwrap_or(0),
    };
    let name = format!("e1:s{sequence}");
    TelemetryRecord {
        message_id: Uuid::new_v5(&device.uuid(), name.as_bytes()).to_string(),
        tenant_id: tenant.to_string(),
        device_id: device.to_string(),
        occurred_at: Some(stamp),
        received_at: Some(stamp),
        epoch: 1,
        sequence,
        values_json: format!("{{\"flow_lps\":{}.25,\"valve_pct\":100}}", sequence % 400),
        receipt_requested: false,
    }
}

/// Connects with the user and password of the URL in a file.
pub(crate) async fn connect(url_file: &PathBuf) -> Result<jetstream::Context> {
    let text = std::fs::read_to_string(url_file).context("read the NATS URL")?;
    let server: ServerAddr = text.trim_end().parse()?;
    let (user, password) = (server.username(), server.password());
    let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
    let options = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
    Ok(jetstream::new(options.connect(server).await?))
}
