//! Sockets that open: how fast, what each costs while it is idle, and all of them at once again.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::swarm::{Opening, Swarm};
use super::target::Target;
use super::{AT_ONCE, latency, rounded, usage};

/// Before memory is looked at: what the openings needed has been given back by then.
const REST: Duration = Duration::from_secs(2);
/// Of this process's files, those that are no sockets.
const OTHER_FILES: usize = 512;
/// Sockets that come back at the same time in a storm.
const STORM_AT_ONCE: usize = 256;

/// What idle sockets cost.
#[derive(Debug, Clone, Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    pub(super) target: Target,
    /// How many at first, and how many then; fewer where the process may not open as many files.
    #[arg(long, value_delimiter = ',', default_value = "5000,20000")]
    pub(super) sockets: Vec<usize>,
}

/// How fast they open.
#[derive(Debug, Clone, Args)]
pub(crate) struct OpensArgs {
    #[command(flatten)]
    pub(super) target: Target,
    #[arg(long, default_value_t = 5_000)]
    pub(super) sockets: usize,
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: usize,
}

/// How fast they come back.
#[derive(Debug, Clone, Args)]
pub(crate) struct StormArgs {
    #[command(flatten)]
    pub(super) target: Target,
    #[arg(long, default_value_t = 5_000)]
    pub(super) sockets: usize,
    /// Private channels over which they are spread.
    #[arg(long, default_value_t = 50)]
    pub(super) channels: usize,
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: usize,
}

/// One round of openings.
struct Round {
    per_second: f64,
    p50: f64,
    p99: f64,
    cpu_us: f64,
}

/// Memory before and with the sockets; the server has to be fresh.
pub(crate) fn idle(args: &IdleArgs) -> Result<Value> {
    let mut swarm = Swarm::new(&args.target, 0)?;
    // What the first socket brings along once is not a socket's cost.
    swarm.open(1, 1, |_| None)?;
    let before = rested(&mut swarm, args.target.pid)?;
    let most = usage::most_files()?.saturating_sub(OTHER_FILES);
    let (mut open, mut figures) = (0, Vec::new());
    for wanted in &args.sockets {
        let wanted = (*wanted).min(most);
        swarm.open(wanted.saturating_sub(open), AT_ONCE, |_| None)?;
        open = wanted.max(open);
        let resident = rested(&mut swarm, args.target.pid)?;
        let each = resident.saturating_sub(before) as f64 / open as f64;
        figures.push(json!({ "sockets": open, "kib_per_connection": rounded(each) }));
    }
    Ok(json!({ "empty_kib": before, "idle": figures }))
}

fn rested(swarm: &mut Swarm, pid: u32) -> Result<u64> {
    swarm.turn_for(REST)?;
    usage::resident_kib(pid)
}

/// Opens all sockets, a few rounds.
pub(crate) fn opens(args: &OpensArgs) -> Result<Value> {
    let mut rounds = Vec::new();
    for _ in 0..args.rounds.max(1) {
        let mut swarm = Swarm::new(&args.target, 0)?;
        let server = usage::cpu_seconds(args.target.pid)?;
        let opening = swarm.open(args.sockets, AT_ONCE, |_| None)?;
        rounds.push(Round::of(opening, usage::cpu_seconds(args.target.pid)? - server));
        swarm.drop_all();
        thread::sleep(REST);
    }
    Ok(summary("opens_per_second", args.sockets, &mut rounds))
}

/// Drops all sockets and has them back, a few rounds.
pub(crate) fn storm(args: &StormArgs) -> Result<Value> {
    let channels = args.channels.max(1);
    let channel = |number: usize| Some(format!("private-storm-{}", number % channels));
    let mut swarm = Swarm::new(&args.target, 0)?;
    swarm.open(args.sockets, AT_ONCE, channel)?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds.max(1) {
        swarm.turn_for(REST)?;
        let (begun, server) = (Instant::now(), usage::cpu_seconds(args.target.pid)?);
        swarm.drop_all();
        let mut opening = swarm.open(args.sockets, STORM_AT_ONCE, channel)?;
        // The time to drop them counts.
        opening.took = begun.elapsed();
        rounds.push(Round::of(opening, usage::cpu_seconds(args.target.pid)? - server));
    }
    let mut figures = summary("storm_per_second", args.sockets, &mut rounds);
    if let Some(figures) = figures.as_object_mut() {
        figures.insert("channels".to_owned(), channels.into());
    }
    Ok(figures)
}

impl Round {
    fn of(opening: Opening, cpu_seconds: f64) -> Self {
        let Opening { took, mut each } = opening;
        let count = each.len().max(1) as f64;
        Self {
            per_second: count / took.as_secs_f64(),
            p50: latency::within(&mut each, 0.5),
            p99: latency::within(&mut each, 0.99),
            cpu_us: cpu_seconds * 1e6 / count,
        }
    }
}

/// The round in the middle, and all rates.
fn summary(name: &str, sockets: usize, rounds: &mut [Round]) -> Value {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let all: Vec<f64> = rounds.iter().map(|round| round.per_second.round()).collect();
    let Some(middle) = rounds.get(rounds.len() / 2) else { return Value::Null };
    json!({
        "sockets": sockets,
        name: middle.per_second.round(),
        "rounds": all,
        "p50_ms": middle.p50,
        "p99_ms": middle.p99,
        "cpu_us_per_open": rounded(middle.cpu_us),
    })
}
