//! Clients that send events to each other, in pairs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::letter::Letter;
use super::swarm::Swarm;
use super::target::Target;
use super::{AT_ONCE, frames, rounded, usage};

const TURN: Duration = Duration::from_millis(1);
const DRAIN: Duration = Duration::from_secs(10);

/// How to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct TalkArgs {
    #[command(flatten)]
    pub(super) target: Target,
    /// In each one speaks and one listens.
    #[arg(long, default_value_t = 10)]
    pub(super) pairs: usize,
    /// Of the data of an event.
    #[arg(long, default_value_t = 128)]
    pub(super) bytes: usize,
    /// Events of a pair that may be on their way.
    #[arg(long, default_value_t = 64)]
    pub(super) window: u64,
    /// How long to measure.
    #[arg(long, default_value_t = 10.0)]
    pub(super) seconds: f64,
    /// Before that.
    #[arg(long, default_value_t = 2.0)]
    pub(super) warm_up: f64,
}

/// What each pair has said.
struct Talk<'a> {
    args: &'a TalkArgs,
    sent: Vec<u64>,
    out: Vec<u8>,
}

/// Lets all pairs speak as fast as they are heard.
pub(crate) fn run(args: &TalkArgs) -> Result<Value> {
    let mut swarm = Swarm::new(&args.target, args.pairs)?;
    swarm.open(args.pairs * 2, AT_ONCE, |number| Some(channel(number / 2)))?;
    let mut talk = Talk { args, sent: vec![0; args.pairs], out: Vec::new() };
    talk.go_on(&mut swarm, args.warm_up)?;
    let me = std::process::id();
    let (from, begun) = (swarm.tally.delivered, Instant::now());
    let (server, client) = (usage::cpu_seconds(args.target.pid)?, usage::cpu_seconds(me)?);
    swarm.tally.latencies.forget();
    talk.go_on(&mut swarm, args.seconds)?;
    let (heard, seconds) = ((swarm.tally.delivered - from) as f64, begun.elapsed().as_secs_f64());
    ensure!(heard > 0.0, "nothing arrived");
    let server = usage::cpu_seconds(args.target.pid)? - server;
    let client = usage::cpu_seconds(me)? - client;
    let (p50, p99) = (swarm.tally.latencies.within(0.5), swarm.tally.latencies.within(0.99));
    let all: u64 = talk.sent.iter().sum();
    let last = Instant::now();
    while swarm.tally.delivered < all && last.elapsed() < DRAIN {
        swarm.turn(TURN)?;
    }
    Ok(json!({
        "pairs": args.pairs,
        "bytes": args.bytes,
        "client_events_per_second": (heard / seconds).round(),
        "p50_ms": rounded(p50),
        "p99_ms": rounded(p99),
        "cpu_us_per_event": rounded(server * 1e6 / heard),
        "client_cpu_us_per_event": rounded(client * 1e6 / heard),
        "lost": all.saturating_sub(swarm.tally.delivered),
        "misplaced": swarm.tally.misplaced,
    }))
}

fn channel(pair: usize) -> String {
    format!("private-pair-{pair}")
}

impl Talk<'_> {
    fn go_on(&mut self, swarm: &mut Swarm, seconds: f64) -> Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < until {
            for pair in 0..self.args.pairs {
                self.speak(swarm, pair)?;
            }
            swarm.turn(TURN)?;
        }
        Ok(())
    }

    /// Fills the window again once half of it is heard.
    fn speak(&mut self, swarm: &mut Swarm, pair: usize) -> Result<()> {
        let (speaker, listener) = (pair * 2, pair * 2 + 1);
        let Some(sent) = self.sent.get_mut(pair) else { return Ok(()) };
        let under_way = *sent - swarm.received(listener);
        if under_way > self.args.window / 2 {
            return Ok(());
        }
        let at = u64::try_from(swarm.begun().elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.out.clear();
        for number in *sent..*sent + self.args.window - under_way {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let data = Letter { publisher: pair, number, at }.write(self.args.bytes);
            let channel = channel(pair);
            let event =
                format!(r#"{{"event":"client-bench","channel":"{channel}","data":"{data}"}}"#);
            frames::put_text(&mut self.out, &event);
        }
        *sent += self.args.window - under_way;
        swarm.say(speaker, &self.out)
    }
}
