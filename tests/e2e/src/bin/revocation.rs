//! Measures how long a revoked device stays connected, and prints the figures as one JSON object.
//!
//! Everything is as in a cluster: auth signs the list, an agent beside the broker fetches it over
//! HTTP, the broker reads it again, and the plugin ends the connection. Tries follow each other at
//! once, so the agent's pause between two signals to the broker is part of the figures.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use yard_e2e::client::Client;
use yard_e2e::device::Connected;
use yard_e2e::platform::Platform;
use yard_e2e::world::World;

const TRIES: usize = 50;
const PATIENCE: Duration = Duration::from_secs(30);
/// What is promised, milliseconds.
const BAR: f64 = 5_000.0;

/// Milliseconds from the request to revoke.
struct Try {
    disconnected: f64,
    enforced: f64,
    /// Times the broker let the device in after its certificate was revoked.
    came_back: u32,
}

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let world = World::build(&platform).await?;
    let honest = platform.enroll(&world.b.owner, &world.b.device_id).await?;
    let bystander = Connected::open(platform.broker().port(), &honest).await?;
    let mut tries = Vec::new();
    for _ in 0..TRIES {
        tries.push(once(&platform, &world).await?);
    }
    let disturbed = bystander.times_let_in() - 1;
    bystander.close().await;
    platform.stop().await;

    let disconnected = sorted(tries.iter().map(|one| one.disconnected));
    let enforced = sorted(tries.iter().map(|one| one.enforced));
    let came_back: u32 = tries.iter().map(|one| one.came_back).sum();
    let figures = json!({
        "tries": tries.len(),
        "disconnected_p50_ms": at(&disconnected, 0.50),
        "disconnected_p99_ms": at(&disconnected, 0.99),
        "disconnected_max_ms": disconnected.last(),
        "enforced_p50_ms": at(&enforced, 0.50),
        "enforced_p99_ms": at(&enforced, 0.99),
        "came_back": came_back,
        "others_disturbed": disturbed,
    });
    writeln!(std::io::stdout(), "{figures}")?;
    anyhow::ensure!(came_back == 0, "a revoked device came back");
    anyhow::ensure!(disturbed == 0, "another device was disconnected");
    anyhow::ensure!(at(&disconnected, 0.99) <= BAR, "slower than promised");
    Ok(())
}

async fn once(platform: &Platform, world: &World) -> anyhow::Result<Try> {
    let (owner, device) = (&world.a.owner, world.a.device_id.as_str());
    let enrolled = platform.enroll(owner, device).await?;
    let mut connected = Connected::open(platform.broker().port(), &enrolled).await?;
    let begun = Instant::now();
    let path = format!("/api/v1/certificates/{}/revocation", enrolled.serial);
    owner.expect("POST", &path, Some(&json!({}))).await?;
    let ended = tokio::time::timeout(PATIENCE, connected.ended()).await.context("no end")??;
    tokio::time::timeout(PATIENCE, connected.refused(2)).await.context("no refusal")??;
    let came_back = connected.times_let_in() - 1;
    connected.close().await;
    let enforced = enforced(owner, device, &enrolled.serial).await?;
    let disconnected = ended.duration_since(begun).as_secs_f64() * 1_000.0;
    Ok(Try { disconnected, enforced, came_back })
}

/// By the server's own two times.
async fn enforced(owner: &Client, device: &str, serial: &str) -> anyhow::Result<f64> {
    let path = format!("/api/v1/devices/{device}/certificates?page_size=10");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let listed = owner.expect("GET", &path, None).await?;
        let all = listed.get("certificates").and_then(Value::as_array).context("a list")?;
        let row = all.iter().find(|row| row.get("serial").and_then(Value::as_str) == Some(serial));
        let row = row.context("the certificate is listed")?;
        if let (Some(from), Some(to)) = (moment(row, "revoked_at"), moment(row, "enforced_at")) {
            return Ok((to - from).as_seconds_f64() * 1_000.0);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("not enforced in time")
}

fn moment(row: &Value, field: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(row.get(field)?.as_str()?, &Rfc3339).ok()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.map(|value| (value * 10.0).round() / 10.0).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value that the share of all values does not exceed.
fn at(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to the length")]
    let index = rank as usize - 1;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
