use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use yard_ids::{Clock, SystemClock};

use super::SimulateArgs;
use super::blueprint::Blueprint;
use super::device::{Device, Limits, Machine, Phase, Source, TlsTrust};
use super::fleet::{self, Member, Wanted};
use super::pace::Pace;
use super::summary::Summary;
use super::tally::Tally;
use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::ledger::{DeviceRun, Ledger};
use crate::output::Output;
use crate::replay::Recording;

/// What is on its way when the run ends has so long to be acknowledged.
const FINISH: Duration = Duration::from_secs(15);
/// Rows between the beginnings of two devices: enough that their curves differ.
const ROWS_APART: usize = 37;

/// Runs the simulation to its end.
pub async fn run(args: &SimulateArgs, api: &Api, out: Output) -> Outcome {
    let recording = Recording::read(&args.data)?;
    let blueprint = Blueprint::of(&recording.columns);
    let wanted = Wanted {
        blueprint: &blueprint,
        contract: args.contract.as_deref().unwrap_or(blueprint.contract),
        count: args.count as usize,
        state_dir: &args.state_dir,
    };
    let mut stop = Stop::listen()?;
    let members = tokio::select! {
        members = fleet::muster(api, &wanted, out) => members?,
        () = stop.asked() => return Err(Failure::other("interrupted before the fleet was ready")),
    };
    let (phase, phases) = watch::channel(Phase::Run);
    let mut running = Running::start(args, &members, &recording, &blueprint, &phases)?;
    let end = args.duration.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
    running.watch(phase, end, &mut stop, args.follow, out).await?;
    let summary = running.summary();
    out.answer(&summary, |out| summary.print(out));
    Ok(())
}

/// SIGINT and SIGTERM.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Outcome<Self> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::other(format!("no signals: {error}")));
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: listen(interrupt)?, terminate: listen(terminate)? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A fleet at work.
struct Running {
    devices: JoinSet<()>,
    tallies: Vec<Tally>,
    earlier: Ledger,
    state_dir: PathBuf,
    started: Instant,
}

impl Running {
    fn start(
        args: &SimulateArgs,
        members: &[Member],
        recording: &Recording,
        blueprint: &Blueprint,
        phases: &watch::Receiver<Phase>,
    ) -> Outcome<Self> {
        let limits = Limits {
            pace: Pace::of(args.flood, args.speed, args.rate, members.len()),
            window: args.window as usize,
            readings: args.readings.unwrap_or(u64::MAX),
            receipts: args.receipts,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let epoch = epoch_of(clock.now());
        let trust = TlsTrust::default();
        let mut running = Self::empty(&args.state_dir, members)?;
        for (number, member) in members.iter().enumerate() {
            let device_id = member.identity.connection.device_id;
            let name = member.name.clone();
            let tally = Tally::new(DeviceRun { device_id, name, epoch, ..DeviceRun::default() });
            let source = Source::new(recording.clone(), number * ROWS_APART);
            let parts = (source, Machine::new(blueprint.has_valve()));
            let (device, events) = Device::new(
                &member.identity,
                &trust,
                limits,
                tally.clone(),
                parts,
                Arc::clone(&clock),
            )?;
            let first = limits.pace.phase(recording, number, members.len());
            running.devices.spawn(device.run(events, first, phases.clone()));
            running.tallies.push(tally);
        }
        Ok(running)
    }

    fn empty(state_dir: &Path, members: &[Member]) -> Outcome<Self> {
        let ours: HashSet<_> =
            members.iter().map(|member| member.identity.connection.device_id).collect();
        Ok(Self {
            devices: JoinSet::new(),
            tallies: Vec::with_capacity(members.len()),
            earlier: Ledger::read(state_dir)?.of_devices(|id| ours.contains(&id)),
            state_dir: state_dir.to_owned(),
            started: Instant::now(),
        })
    }

    /// Until all devices are done: at the end of their readings, of the time, or when asked to
    /// stop; asked twice it leaves what is unfinished.
    async fn watch(
        &mut self,
        phase: watch::Sender<Phase>,
        end: Option<Instant>,
        stop: &mut Stop,
        follow: bool,
        out: Output,
    ) -> Outcome {
        let mut every_second = every_second();
        let mut leave_at: Option<Instant> = None;
        let far = Instant::now() + Duration::from_secs(86_400 * 365);
        loop {
            let running = leave_at.is_none();
            tokio::select! {
                done = self.devices.join_next() => match done {
                    None => break,
                    Some(done) => done.map_err(|e| Failure::other(format!("a device: {e}")))?,
                },
                _ = every_second.tick() => {
                    self.ledger().write(&self.state_dir)?;
                    if follow {
                        self.report(out);
                    }
                }
                () = stop.asked() => {
                    phase.send_replace(if running { Phase::Finish } else { Phase::Leave });
                    leave_at.get_or_insert_with(|| Instant::now() + FINISH);
                }
                () = tokio::time::sleep_until(end.unwrap_or(far)), if running && end.is_some() => {
                    phase.send_replace(Phase::Finish);
                    leave_at = Some(Instant::now() + FINISH);
                }
                () = tokio::time::sleep_until(leave_at.unwrap_or(far)), if !running => {
                    phase.send_replace(Phase::Leave);
                    leave_at = Some(far);
                }
            }
        }
        self.ledger().write(&self.state_dir)
    }

    fn report(&self, out: Output) {
        let summary = self.summary();
        if out.is_json() { out.json_line(&summary) } else { out.note(&summary.line()) }
    }

    fn summary(&self) -> Summary {
        Summary::of(&self.tallies, self.started.elapsed().as_secs_f64())
    }

    fn ledger(&self) -> Ledger {
        let runs = self.tallies.iter().map(|tally| tally.counts().run.clone());
        let mut ledger = self.earlier.clone();
        ledger.devices.extend(runs);
        ledger
    }
}

fn every_second() -> Interval {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// A device's run is named by when it began, in Unix milliseconds: it grows from run to run.
fn epoch_of(now: time::OffsetDateTime) -> i64 {
    i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::epoch_of;

    #[test]
    fn epoch_is_the_start_in_unix_milliseconds() {
        assert_eq!(epoch_of(datetime!(2026-01-01 00:00:00.0429 UTC)), 1_767_225_600_042);
    }
}
