use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Request, Status};
use yard_authn::client::ServiceChannel;
use yard_contracts::guard::v1::guard_service_client::GuardServiceClient;
use yard_contracts::guard::v1::{GetGuardRequest, ReportAbuseRequest};
use yard_runtime::{Check, Runtime, TaskKind};

use super::Guard;
use super::snapshot::Snapshot;

/// Between two questions: a change is in force after this and the time of an answer.
const PAUSE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(1);
/// Bans in an answer of 10,000 take about 2 MB.
const LARGEST: usize = 8 * 1024 * 1024;

type Client = GuardServiceClient<ServiceChannel>;

/// Follows auth's answers, and passes reports on to it.
pub(super) fn start(
    guard: &Arc<Guard>,
    channel: ServiceChannel,
    reports: mpsc::Receiver<IpAddr>,
    runtime: &Runtime,
) {
    let client = GuardServiceClient::new(channel).max_decoding_message_size(LARGEST);
    let heard = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&heard);
    runtime.health().register(Check::new("guard", move || {
        let known = seen.load(Ordering::Relaxed);
        async move { if known { Ok(()) } else { Err("bans are not known yet".to_owned()) } }
    }));
    let soft = runtime.shutdown().soft().clone();
    let work = follow(Arc::clone(guard), client.clone(), heard);
    runtime.tasks().spawn(TaskKind::Background, "guard", async move {
        soft.run_until_cancelled(work).await;
        Ok(())
    });
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Background, "abuse-reports", async move {
        soft.run_until_cancelled(report(client, reports)).await;
        Ok(())
    });
}

async fn follow(guard: Arc<Guard>, mut client: Client, heard: Arc<AtomicBool>) {
    let mut pause = interval(PAUSE);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        pause.tick().await;
        match ask(&guard, &mut client).await {
            Ok(()) => {
                heard.store(true, Ordering::Relaxed);
                failing = false;
            }
            Err(status) => {
                metrics::counter!("yard_guard_failures_total").increment(1);
                if !failing {
                    let problem = status.message();
                    tracing::warn!(problem, "auth tells no bans at present; the last known hold");
                }
                failing = true;
            }
        }
    }
}

async fn ask(guard: &Guard, client: &mut Client) -> Result<(), Status> {
    let known_revision = guard.current.borrow().revision;
    let mut request = Request::new(GetGuardRequest { known_revision });
    request.set_timeout(PATIENCE);
    let answer = client.get_guard(request).await?.into_inner();
    if !answer.unchanged {
        let next = Snapshot::of(answer);
        let before = guard.current.send_replace(Arc::new(next));
        let now = guard.current.borrow();
        if before.maintenance != now.maintenance {
            let active = now.maintenance.is_some();
            tracing::info!(active, "the switch for maintenance was set");
            metrics::gauge!("yard_maintenance").set(if active { 1.0 } else { 0.0 });
        }
    }
    Ok(())
}

async fn report(mut client: Client, mut reports: mpsc::Receiver<IpAddr>) {
    while let Some(address) = reports.recv().await {
        let message = ReportAbuseRequest { address: address.to_string() };
        let mut request = Request::new(message);
        request.set_timeout(PATIENCE);
        if let Err(status) = client.report_abuse(request).await {
            let problem = status.message();
            tracing::warn!(problem, "could not report an abusive address");
        }
    }
}
