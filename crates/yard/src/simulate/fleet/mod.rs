//! Makes sure that the fleet exists: a contract, so many devices, a certificate for each.

mod enrol;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;
use yard_ids::{Clock as _, SystemClock};

use super::blueprint::Blueprint;
use crate::api::{Api, Device};
use crate::enrollment::DeviceIdentity;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Requests to the platform at a time.
const AT_ONCE: usize = 8;
/// How long a platform that is busy or restarting is asked again.
const PATIENCE: Duration = Duration::from_secs(120);

/// A device that can connect.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) identity: DeviceIdentity,
}

/// What fleet is wanted.
pub(super) struct Wanted<'a> {
    pub(super) blueprint: &'a Blueprint,
    /// Name of the contract; made when there is none of the name.
    pub(super) contract: &'a str,
    pub(super) count: usize,
    /// Keys and certificates are below it, in `devices/<id>`.
    pub(super) state_dir: &'a Path,
}

/// Finds or makes the members, in the order of their names.
pub(super) async fn muster(api: &Api, wanted: &Wanted<'_>, out: Output) -> Outcome<Vec<Member>> {
    let contract = contract_id(api, wanted).await?;
    let prefix = wanted.blueprint.device_name(0);
    let prefix = prefix.trim_end_matches('0');
    let known = enrol::patiently(|| api.all_devices(prefix)).await?.devices;
    let mut known: HashMap<_, _> = known.into_iter().map(|d| (d.name.clone(), d)).collect();
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut work = JoinSet::new();
    for number in 0..wanted.count {
        let name = wanted.blueprint.device_name(number + 1);
        let (api, gate, known) = (api.clone(), Arc::clone(&gate), known.remove(&name));
        let dir = wanted.state_dir.join("devices");
        work.spawn(async move {
            // The gate is never closed, so there is always a permit to wait for.
            let _permit = gate.acquire_owned().await.ok();
            member(&api, name, known, contract, &dir).await.map(|member| (number, member))
        });
    }
    collect(work, wanted.count, out).await
}

async fn collect(
    mut work: JoinSet<Outcome<(usize, (Member, bool))>>,
    count: usize,
    out: Output,
) -> Outcome<Vec<Member>> {
    let mut members = Vec::with_capacity(count);
    let mut enrolled = 0_usize;
    while let Some(done) = work.join_next().await {
        let (number, (member, is_new)) = done.map_err(|e| Failure::other(e.to_string()))??;
        enrolled += usize::from(is_new);
        members.push((number, member));
        if is_new && (enrolled.is_multiple_of(50) || members.len() == count) {
            out.note(&format!("enrolled {enrolled} devices, {} of {count} ready", members.len()));
        }
    }
    members.sort_by_key(|(number, _)| *number);
    Ok(members.into_iter().map(|(_, member)| member).collect())
}

async fn contract_id(api: &Api, wanted: &Wanted<'_>) -> Outcome<Uuid> {
    let named = |contracts: Vec<crate::api::Contract>| {
        let named = contracts.into_iter().filter(|c| c.name == wanted.contract);
        named.max_by_key(|c| c.version).map(|c| c.contract_id)
    };
    if let Some(id) = named(enrol::patiently(|| api.contracts()).await?) {
        return Ok(id);
    }
    let draft = wanted.blueprint.draft(wanted.contract);
    match enrol::patiently(|| api.create_contract(&draft)).await {
        Ok(contract) => Ok(contract.contract_id),
        // Another simulation of the same tenant was faster.
        Err(failure) => named(api.contracts().await?).ok_or(failure),
    }
}

async fn member(
    api: &Api,
    name: String,
    known: Option<Device>,
    contract: Uuid,
    dir: &Path,
) -> Outcome<(Member, bool)> {
    let id = match known {
        Some(device) => device.device_id,
        None => enrol::register(api, &name, contract).await?.device_id,
    };
    let dir: PathBuf = dir.join(id.to_string());
    if let Some(mut identity) = DeviceIdentity::read(&dir)? {
        if identity.is_due(SystemClock.now()) {
            let (renewed, _quarantined) = enrol::patiently(|| identity.renew(api)).await?;
            identity = renewed;
            identity.replace(&dir)?;
        }
        return Ok((Member { name, identity }, false));
    }
    let identity = enrol::enrol(api, id).await?;
    identity.write(&dir)?;
    Ok((Member { name, identity }, true))
}
