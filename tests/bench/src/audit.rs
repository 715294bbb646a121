//! The audit trail: records straight into its stream, and audited calls one after the other.

use std::future::IntoFuture as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use async_nats::HeaderMap;
use clap::Args;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;
use yard::api::ContractDraft;
use yard::session::ProfileFile;
use yard_contracts::audit::v1::{AuditKind, AuditPhase, AuditRecord};
use yard_contracts::subjects;
use yard_ids::{Clock as _, IdSource as _, RandomIds, SystemClock, TenantId};

use crate::fill::connect;

const WINDOW: u64 = 1_000;

/// What to put in.
#[derive(Debug, Args)]
pub(crate) struct RecordsArgs {
    /// File with the NATS URL.
    #[arg(long)]
    nats_url_file: PathBuf,
    /// The chain.
    #[arg(long)]
    tenant: Uuid,
    /// How many records.
    #[arg(long, default_value_t = 50_000)]
    records: u64,
}

/// Publishes records of calls that have ended.
pub(crate) async fn records(args: &RecordsArgs) -> Result<Value> {
    let context = connect(&args.nats_url_file).await?;
    let subject = subjects::audit(Some(TenantId::from_uuid(args.tenant)));
    let person = RandomIds.uuid7();
    let begun = Instant::now();
    let mut waiting = Vec::new();
    for number in 0..args.records {
        let record = record(args.tenant, person, number);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", record.event_id.as_str());
        let payload = record.encode_to_vec().into();
        waiting.push(context.publish_with_headers(subject.clone(), headers, payload).await?);
        if (number + 1) % WINDOW == 0 {
            for ack in waiting.drain(..) {
                ack.into_future().await?;
            }
        }
    }
    for ack in waiting {
        ack.into_future().await?;
    }
    Ok(json!({ "published": args.records, "seconds": begun.elapsed().as_secs_f64() }))
}

fn record(tenant: Uuid, person: Uuid, number: u64) -> AuditRecord {
    let now = SystemClock.now();
    AuditRecord {
        event_id: RandomIds.uuid7().to_string(),
        phase: AuditPhase::Ended.into(),
        tenant_id: tenant.to_string(),
        kind: AuditKind::Call.into(),
        occurred_at: Some(yard_contracts::values::timestamp(now)),
        service: "bench".to_owned(),
        actor: format!("person:{person}"),
        acting_as: "operator".to_owned(),
        action: "yard.command.v1.CommandService/SendCommand".to_owned(),
        object_type: "device".to_owned(),
        object_id: format!("device {}", number % 200),
        outcome: "ok".to_owned(),
        address: "203.0.113.7".to_owned(),
        user_agent: "yard-bench".to_owned(),
        subject_id: person.to_string(),
        repeats: 1,
        ..AuditRecord::default()
    }
}

/// Who calls, and how often.
#[derive(Debug, Args)]
pub(crate) struct CallsArgs {
    /// Profile of an owner who is signed in.
    #[arg(long)]
    profile: PathBuf,
    /// How many calls of each kind.
    #[arg(long, default_value_t = 1_000)]
    calls: u32,
}

/// Audited calls through the gateway, and beside them calls that only read.
pub(crate) async fn calls(args: &CallsArgs) -> Result<Value> {
    let failed = |failure: yard::failure::Failure| anyhow!("{failure}");
    let api = ProfileFile::locate(Some(args.profile.clone())).and_then(|f| f.api());
    let api = api.map_err(failed)?;
    let (mut audited, mut read) = (Vec::new(), Vec::new());
    for number in 0..args.calls {
        let draft = ContractDraft {
            name: format!("bench {}", RandomIds.uuid7()),
            version: i32::try_from(number)? + 1,
            telemetry_schema: json!({"type": "object"}),
            metrics: Vec::new(),
            commands: Vec::new(),
        };
        let begun = Instant::now();
        api.create_contract(&draft).await.map_err(failed)?;
        audited.push(begun.elapsed().as_secs_f64() * 1_000.0);
        let begun = Instant::now();
        api.me().await.map_err(failed)?;
        read.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(json!({
        "audited_p50_ms": percentile(&mut audited, 50)?,
        "audited_p99_ms": percentile(&mut audited, 99)?,
        "read_p50_ms": percentile(&mut read, 50)?,
    }))
}

fn percentile(values: &mut [f64], percent: usize) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().context("no call was made")
}
