//! Rate-limit decisions per second: this process alone, and with Redis.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;
use yard_ids::SystemClock;
use yard_limits::{Limit, Limiter, Redis, RedisConfig, Rule};
use yard_runtime::{Runtime, Secret};

/// How to measure.
#[derive(Debug, Args)]
pub(crate) struct LimitsArgs {
    /// File with the Redis URL.
    #[arg(long)]
    redis_url_file: PathBuf,
    /// Seconds for each of the two.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Callers at the same time.
    #[arg(long, default_value_t = 64)]
    callers: usize,
}

/// No caller runs into its limit: every decision is the dear one.
const RULE: Rule =
    Rule { name: "read", limit: Limit { burst: 1_000_000, interval: Duration::from_micros(1) } };

/// Measures both tiers.
pub(crate) async fn run(args: &LimitsArgs) -> Result<Value> {
    let runtime = Runtime::builder("bench", "0").build();
    let url = std::fs::read_to_string(&args.redis_url_file).context("read the Redis URL")?;
    let url = Secret::new(url.trim_end().to_owned());
    let config = RedisConfig { url, ..RedisConfig::for_test("") };
    let redis = Redis::start(&config, Duration::from_secs(2), &runtime).await?;
    anyhow::ensure!(redis.connected().is_some(), "Redis does not answer");
    let limiter = |redis| Arc::new(Limiter::new("yard:bench", Arc::new(SystemClock), redis));
    let alone = measure(&limiter(None), args).await?;
    let shared = measure(&limiter(Some(redis)), args).await?;
    Ok(json!({ "callers": args.callers, "process": alone, "with_redis": shared }))
}

async fn measure(limiter: &Arc<Limiter>, args: &LimitsArgs) -> Result<Value> {
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..args.callers {
        let limiter = Arc::clone(limiter);
        callers.spawn(async move {
            let caller = format!("caller {number}");
            let mut took = Vec::new();
            while Instant::now() < until {
                let begun = Instant::now();
                let verdict = limiter.admit(&caller, &[RULE]).await;
                took.push(begun.elapsed());
                anyhow::ensure!(verdict.wait.is_none(), "a caller ran into its limit");
                // The tier in the process answers without waiting, and others want a turn.
                if took.len() % 256 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = callers.join_next().await {
        all.extend(done??);
    }
    all.sort_unstable();
    let at = |percent: usize| {
        let place = (all.len() * percent / 100).min(all.len().saturating_sub(1));
        all.get(place).map_or(0.0, |took| (took.as_secs_f64() * 1e7).round() / 10.0)
    };
    let per_second = all.len() as u64 / args.seconds.max(1);
    Ok(json!({ "decisions_per_second": per_second, "p50_us": at(50), "p99_us": at(99) }))
}
