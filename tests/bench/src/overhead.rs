//! What the gateway adds to a call: requests per second and their times through it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What to ask.
#[derive(Debug, Args)]
pub(crate) struct OverheadArgs {
    /// The gateway.
    #[arg(long)]
    url: String,
    /// File with a session token.
    #[arg(long)]
    token_file: PathBuf,
    /// What to GET.
    #[arg(long, default_value = "/api/v1/me")]
    path: String,
    /// Seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 8)]
    connections: usize,
}

/// Asks for as long as it is told.
pub(crate) async fn run(args: &OverheadArgs) -> Result<Value> {
    let token = std::fs::read_to_string(&args.token_file).context("read the session token")?;
    let (url, token) = (format!("{}{}", args.url, args.path), token.trim_end().to_owned());
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..args.connections {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let (url, token) = (url.clone(), token.clone());
        connections.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                let begun = Instant::now();
                let answer = client.get(&url).bearer_auth(&token).send().await?;
                let status = answer.status();
                answer.bytes().await?;
                anyhow::ensure!(status.is_success(), "answered {status}");
                took.push(begun.elapsed());
            }
            Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = connections.join_next().await {
        all.extend(done??);
    }
    all.sort_unstable();
    let at = |percent: usize| {
        let place = (all.len() * percent / 100).min(all.len().saturating_sub(1));
        all.get(place).map_or(0.0, |took| (took.as_secs_f64() * 1e5).round() / 100.0)
    };
    let per_second = all.len() as u64 / args.seconds.max(1);
    Ok(json!({ "requests_per_second": per_second, "p50_ms": at(50), "p99_ms": at(99) }))
}
