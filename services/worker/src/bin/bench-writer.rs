//! Developers' tool: how many readings a second the real writer takes from the stream into
//! committed rows. Publishes first, then starts the writers and waits until the stream is empty.
//!
//! `bench-writer CONFIG TENANT RECORDS`: a worker's configuration file, a tenant that exists and
//! the number of readings. Prints one JSON line.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use prost::Message as _;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;
use worker::{Config, DEFAULT_CONFIG, writer};
use yard_contracts::telemetry::v1::TelemetryRecord;
use yard_contracts::{streams, subjects, values};
use yard_ids::{DeviceId, TenantId};
use yard_messaging::{Nats, Outgoing};
use yard_pg::{Actor, Pg, TenantTx};
use yard_runtime::{Runtime, config};

const DEVICES: usize = 200;
/// Publishes that wait for the broker at once.
const WINDOW: usize = 1_000;

fn main() -> ExitCode {
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = executor.map_err(anyhow::Error::from).and_then(|e| e.block_on(bench()));
    let (line, code) = match outcome {
        Ok(line) => (line, ExitCode::SUCCESS),
        Err(error) => (format!("bench-writer: {error:#}"), ExitCode::FAILURE),
    };
    let written = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
    written.map_or(ExitCode::FAILURE, |()| code)
}

async fn bench() -> anyhow::Result<String> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().with_context(|| format!("argument {what} is missing"));
    let file = next("CONFIG")?;
    let tenant: TenantId = next("TENANT")?.parse()?;
    let records: usize = next("RECORDS")?.parse()?;
    let config: Config = config::load("worker", DEFAULT_CONFIG, Some(Path::new(&file)))?;

    let rt = Runtime::builder("worker", "bench").build();
    let pg = Pg::open(&config.postgres, "bench-writer")?;
    let nats = Nats::connect(&config.nats, &rt).await?;
    ensure!(waiting(&nats).await? == 0, "the stream is not empty");
    let before = stored(&pg, tenant).await?;
    let begun = Instant::now();
    publish(&rt, &nats, tenant, records).await?;
    let published = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    writer::start(&rt, &pg, &nats, &config.telemetry_writer);
    // An acknowledgement follows its commit, so an empty stream means that all is committed.
    while waiting(&nats).await? > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(rt.stop(Duration::ZERO, Duration::from_secs(30)).await, "the writers did not stop");
    let now = stored(&pg, tenant).await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let rate = |seconds: f64| (records as f64 / seconds).round();
    Ok(serde_json::json!({
        "records": records,
        "stored": now - before,
        "seconds": seconds,
        "stored_per_second": rate(seconds),
        "published_per_second": rate(published),
        "tasks": config.telemetry_writer.tasks,
        "max_batch": config.telemetry_writer.max_batch,
    })
    .to_string())
}

/// Rows of the tenant.
async fn stored(pg: &Pg, tenant: TenantId) -> anyhow::Result<i64> {
    let mut tx = TenantTx::begin(pg, tenant, &Actor::service("bench")).await?;
    let rows = sqlx::query_scalar("select count(*) from series.telemetry where tenant_id = $1")
        .bind(tenant.uuid())
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(rows)
}

async fn waiting(nats: &Nats) -> anyhow::Result<u64> {
    let stream = nats.jetstream().get_stream(streams::TELEMETRY.name).await?;
    Ok(stream.cached_info().state.messages)
}

async fn publish(
    rt: &Runtime,
    nats: &Nats,
    tenant: TenantId,
    records: usize,
) -> anyhow::Result<()> {
    let devices: Vec<DeviceId> =
        (0..DEVICES).map(|_| DeviceId::from_uuid(rt.ids().uuid7())).collect();
    let begun = rt.clock().now();
    let mut pending = std::collections::VecDeque::with_capacity(WINDOW);
    for number in 0..records {
        let device = devices.get(number % DEVICES).copied().context("there are devices")?;
        let message = record(tenant, device, i64::try_from(number / DEVICES)? + 1, begun);
        pending.push_back(nats.publish(&message).await?);
        if pending.len() >= WINDOW
            && let Some(oldest) = pending.pop_front()
        {
            oldest.confirmed().await?;
        }
    }
    for ack in pending {
        ack.confirmed().await?;
    }
    Ok(())
}

fn record(tenant: TenantId, device: DeviceId, sequence: i64, begun: OffsetDateTime) -> Outgoing {
    let id = Uuid::new_v5(&device.uuid(), format!("e1:s{sequence}").as_bytes());
    let occurred_at =
        begun - Duration::from_secs(60) + Duration::from_millis(sequence.unsigned_abs());
    let record = TelemetryRecord {
        message_id: id.to_string(),
        tenant_id: tenant.to_string(),
        device_id: device.to_string(),
        occurred_at: Some(values::timestamp(occurred_at)),
        received_at: Some(values::timestamp(begun)),
        epoch: 1,
        sequence,
        values_json: format!(
            r#"{{"temperature":21.{},"humidity":48.2,"co2":612,"sequence":{sequence}}}"#,
            sequence % 10
        ),
        receipt_requested: false,
    };
    Outgoing {
        subject: subjects::telemetry(tenant, device, "reading"),
        id,
        payload: record.encode_to_vec().into(),
        traceparent: None,
    }
}
