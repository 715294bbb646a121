//! From a few publishers to many subscribers of one channel.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::letter;
use super::publisher::{Flow, Publisher};
use super::swarm::Swarm;
use super::target::Target;
use super::{AT_ONCE, latency, rounded, usage};

const CHANNEL: &str = "bench";
/// How long what is under way may take to arrive, once nothing more is said.
const DRAIN: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(1);

/// How to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpreadArgs {
    #[command(flatten)]
    pub(super) target: Target,
    #[arg(long, default_value_t = 1_000)]
    pub(super) subscribers: usize,
    #[arg(long, default_value_t = 1)]
    pub(super) publishers: usize,
    /// Of the data of an event.
    #[arg(long, default_value_t = 128)]
    pub(super) bytes: usize,
    /// Messages a second of all publishers together; left out, as fast as they are delivered.
    #[arg(long)]
    pub(super) rate: Option<f64>,
    /// Messages that may be on their way, without a rate.
    #[arg(long, default_value_t = 32)]
    pub(super) window: u64,
    /// How long to measure.
    #[arg(long, default_value_t = 10.0)]
    pub(super) seconds: f64,
    /// Before that.
    #[arg(long, default_value_t = 2.0)]
    pub(super) warm_up: f64,
}

/// What was there at a moment.
struct Mark {
    at: Instant,
    delivered: u64,
    server: f64,
    client: f64,
}

/// Publishes and counts.
pub(crate) fn run(args: &SpreadArgs) -> Result<Value> {
    ensure!((1..=255).contains(&args.publishers), "1 to 255 publishers");
    ensure!(args.bytes >= letter::SHORTEST, "at least {} bytes", letter::SHORTEST);
    let mut swarm = Swarm::new(&args.target, args.publishers)?;
    swarm.open(args.subscribers, AT_ONCE, |_| Some(CHANNEL.to_owned()))?;
    let flow = Flow {
        stop: AtomicBool::new(false),
        published: AtomicU64::new(0),
        delivered: AtomicU64::new(0),
        subscribers: args.subscribers as u64,
        window: args.window,
    };
    let (app, begun) = (args.target.app()?, swarm.begun());
    let pace = args.rate.map(|rate| Duration::from_secs_f64(args.publishers as f64 / rate));
    let (marks, mut calls) = thread::scope(|scope| {
        let publishers: Vec<_> = (0..args.publishers)
            .map(|number| {
                let (app, flow, address) = (&app, &flow, args.target.address);
                let (channel, bytes) = (CHANNEL, args.bytes);
                let publishers = args.publishers;
                let publisher =
                    Publisher { app, address, channel, number, publishers, bytes, begun, pace };
                scope.spawn(move || publisher.run(flow))
            })
            .collect();
        let measured = measure(args, &mut swarm, &flow, &publishers);
        flow.stop.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        for publisher in publishers {
            calls.extend(publisher.join().map_err(|_panic| anyhow!("a publisher fell"))??);
        }
        let marks = measured?;
        drain(&mut swarm, &flow)?;
        Ok::<_, anyhow::Error>((marks, calls))
    })?;
    figures(args, &swarm, &flow, &marks, &mut calls)
}

fn measure<T>(
    args: &SpreadArgs,
    swarm: &mut Swarm,
    flow: &Flow,
    publishers: &[ScopedJoinHandle<'_, T>],
) -> Result<[Mark; 2]> {
    let go_on = |swarm: &mut Swarm, seconds: f64| -> Result<Mark> {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < until {
            swarm.turn(TURN)?;
            flow.delivered.store(swarm.tally.delivered, Ordering::Relaxed);
            if publishers.iter().any(ScopedJoinHandle::is_finished) {
                bail!("a publisher has ended before its time");
            }
        }
        Mark::now(args, swarm)
    };
    let from = go_on(swarm, args.warm_up)?;
    swarm.tally.latencies.forget();
    let to = go_on(swarm, args.seconds)?;
    Ok([from, to])
}

fn drain(swarm: &mut Swarm, flow: &Flow) -> Result<()> {
    let all = flow.published.load(Ordering::Relaxed) * flow.subscribers;
    let begun = Instant::now();
    while swarm.tally.delivered < all && begun.elapsed() < DRAIN {
        swarm.turn(TURN)?;
    }
    Ok(())
}

fn figures(
    args: &SpreadArgs,
    swarm: &Swarm,
    flow: &Flow,
    [from, to]: &[Mark; 2],
    calls: &mut [Duration],
) -> Result<Value> {
    let published = flow.published.load(Ordering::Relaxed);
    let lost = (published * flow.subscribers).saturating_sub(swarm.tally.delivered);
    let (delivered, seconds) =
        ((to.delivered - from.delivered) as f64, (to.at - from.at).as_secs_f64());
    ensure!(delivered > 0.0, "nothing arrived");
    let each = |spent: f64| rounded(spent * 1e6 / delivered);
    Ok(json!({
        "publishers": args.publishers,
        "subscribers": args.subscribers,
        "bytes": args.bytes,
        "messages_per_second": args.rate,
        "delivered_per_second": (delivered / seconds).round(),
        "p50_ms": rounded(swarm.tally.latencies.within(0.5)),
        "p99_ms": rounded(swarm.tally.latencies.within(0.99)),
        "cpu_us_per_delivery": each(to.server - from.server),
        "client_cpu_us_per_delivery": each(to.client - from.client),
        "publish_p50_ms": latency::within(calls, 0.5),
        "publish_p99_ms": latency::within(calls, 0.99),
        "lost": lost,
        "misplaced": swarm.tally.misplaced,
    }))
}

impl Mark {
    fn now(args: &SpreadArgs, swarm: &Swarm) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            delivered: swarm.tally.delivered,
            server: usage::cpu_seconds(args.target.pid)?,
            client: usage::cpu_seconds(std::process::id())?,
        })
    }
}
