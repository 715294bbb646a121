//! Every form of channel × every caller: the signature for a join, and the live stream, while the
//! devices of both tenants are busy.

use std::time::Duration;

use anyhow::Context as _;
use comms_websocket::CHANNEL_FORMS;
use serde_json::json;
use yard_contracts::policy;

use super::run::{Caller, Report, callers, may};
use crate::client::Answer;
use crate::world::{Tenant, World, text};

const PATIENCE: Duration = Duration::from_secs(20);
/// Events of its own that a stream has to show: the other tenant's go out between them.
const EVENTS: usize = 3;

/// A channel's name, and whose it is.
struct Channel<'w> {
    name: String,
    of: &'w Tenant,
}

/// Tries every form.
///
/// # Errors
/// When the platform does not answer at all.
pub(super) async fn run(world: &World, report: &mut Report) -> anyhow::Result<()> {
    for form in CHANNEL_FORMS {
        if form.replace("{tenant}", "").replace("{device}", "").contains('{') {
            report.methods_without_case.push(format!("channel {form}"));
            continue;
        }
        for (own, other) in [(&world.a, &world.b), (&world.b, &world.a)] {
            for caller in callers(world, own) {
                let theirs = caller.name == "other tenant";
                let channel = name(form, if theirs { other } else { own }, own, theirs);
                join(report, &caller, own, other, &channel).await?;
                tail(report, &caller, own, other, &channel).await?;
            }
            // A channel of one's own that names another tenant's device is silent, not refused:
            // whether there is such a device is not told.
            if form.contains("{device}") {
                let mixed = name(form, own, other, true);
                let owner = &callers(world, own)[0];
                join(report, owner, own, other, &mixed).await?;
                let to = path(&mixed.name);
                let answer = tokio::select! {
                    answer = owner.client.call("GET", &to, None) => answer?,
                    failed = keep_busy(other, other) => { failed?; continue }
                };
                search(report, owner, other, &mixed.name, &answer);
            }
        }
    }
    Ok(())
}

/// Fills a form with `of`'s tenant, and with its device or, `mixed`, with `another`'s.
fn name<'w>(form: &str, of: &'w Tenant, another: &Tenant, mixed: bool) -> Channel<'w> {
    let device = if mixed { &another.device_id } else { &of.device_id };
    let name = form.replace("{tenant}", &of.tenant_id).replace("{device}", device);
    Channel { name, of }
}

fn path(channel: &str) -> String {
    format!("/api/v1/channels/{channel}/events")
}

async fn join(
    report: &mut Report,
    caller: &Caller<'_>,
    own: &Tenant,
    other: &Tenant,
    channel: &Channel<'_>,
) -> anyhow::Result<()> {
    let body = json!({"socket_id": "1234.5678", "channel_name": channel.name});
    let answer = caller.client.call("POST", "/broadcasting/auth", Some(&body)).await?;
    let admitted = allowed(caller, "AuthorizeChannel", own, channel);
    judge(report, caller, &format!("join {}", channel.name), admitted, &answer);
    search(report, caller, other, &channel.name, &answer);
    Ok(())
}

async fn tail(
    report: &mut Report,
    caller: &Caller<'_>,
    own: &Tenant,
    other: &Tenant,
    channel: &Channel<'_>,
) -> anyhow::Result<()> {
    let (path, what) = (path(&channel.name), format!("tail {}", channel.name));
    if !allowed(caller, "TailChannel", own, channel) {
        let answer = caller.client.call("GET", &path, None).await?;
        judge(report, caller, &what, false, &answer);
        search(report, caller, other, &channel.name, &answer);
        return Ok(());
    }
    let answer = tokio::select! {
        answer = caller.client.follow(&path, &own.device_id, EVENTS, PATIENCE) => answer?,
        failed = keep_busy(own, other) => { failed?; anyhow::bail!("commands ended by themselves") }
    };
    judge(report, caller, &what, true, &answer);
    search(report, caller, other, &channel.name, &answer);
    if answer.bytes.contains(&other.device_id) {
        report.leaks.push(format!("{what} as {} tells of the other's device", caller.name));
    }
    Ok(())
}

/// Sends commands to the devices of both tenants until it is dropped.
async fn keep_busy(own: &Tenant, other: &Tenant) -> anyhow::Result<()> {
    loop {
        for tenant in [other, own] {
            let to = format!("/api/v1/devices/{}/commands", tenant.device_id);
            let note = tenant.canaries.first().context("a tenant has canaries")?;
            let body = json!({
                "name": "set_valve", "arguments": {"position": 1, "note": note},
                "deadline_seconds": 3600,
            });
            text(&tenant.owner.expect("POST", &to, Some(&body)).await?, "command_id")?;
        }
    }
}

/// Whether a caller, whose tenant is `own`, may have the channel.
fn allowed(caller: &Caller<'_>, rpc: &str, own: &Tenant, channel: &Channel<'_>) -> bool {
    let method = &policy::methods()[&format!("/yard.realtime.v1.RealtimeService/{rpc}")];
    let same = channel.of.tenant_id == own.tenant_id;
    // Who is here is told to sockets only.
    let told = rpc != "TailChannel" || !channel.name.starts_with("presence-");
    same && told && caller.role != "system-administrator" && may(&method.policy, caller.role)
}

fn judge(report: &mut Report, caller: &Caller<'_>, what: &str, allowed: bool, answer: &Answer) {
    report.cases += 1;
    let line = format!("{what} as {}: {} {}", caller.name, answer.status, answer.bytes);
    match (allowed, answer.status) {
        (_, 500..) | (true, 300..) => report.refused_in_error.push(line),
        (false, ..300) => report.leaks.push(line),
        _ => {}
    }
}

fn search(
    report: &mut Report,
    caller: &Caller<'_>,
    foreign: &Tenant,
    channel: &str,
    answer: &Answer,
) {
    for canary in foreign.canaries.iter().filter(|c| answer.bytes.contains(c.as_str())) {
        report.leaks.push(format!("channel {channel} as {} holds {canary}", caller.name));
    }
}
