//! An inventory at once: what each row comes to is decided first, then all are made or none.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;
use yard_authn::Call;
use yard_contracts::device::v1::{
    FactoryEnrolment, ImportDevicesRequest, ImportDevicesResponse, ImportOutcome, ImportVerdict,
    ImportedDevice,
};
use yard_contracts::identity::v1::enrollment_service_client::EnrollmentServiceClient;
use yard_contracts::identity::v1::{RegisterDevicesRequest, RegisteredDevice};
use yard_fault::{Code, Fault};
use yard_ids::{ContractId, DeviceId};
use yard_pg::limit::{self, Limit};
use yard_pg::{Actor, TenantTx};

use super::create::{Registrar, refused_by_auth, taken, unknown_contract};
use super::rules::{checked_external_id, checked_labels, checked_name};
use super::store::{self, Known, New};
use crate::registry::DeviceStanding;

const MOST_ROWS: usize = 1_000;
/// Devices that auth is told of with one call: within the size of its requests.
const TOLD_AT_ONCE: usize = 50;

/// A row whose values are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    name: String,
    external_id: String,
    labels: BTreeMap<String, String>,
}

/// What is to become of the devices' enrolment by their manufacturers' certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    None,
    Expect,
    Withdraw,
}

impl Wish {
    fn of(asked: i32) -> Result<Self, Fault> {
        match FactoryEnrolment::try_from(asked) {
            Ok(FactoryEnrolment::Unspecified) => Ok(Self::None),
            Ok(FactoryEnrolment::Expected) => Ok(Self::Expect),
            Ok(FactoryEnrolment::Withdrawn) => Ok(Self::Withdraw),
            Err(unknown) => Err(Fault::invalid("there is no such value")
                .with_pointer("/factory_enrolment")
                .with_source(unknown)),
        }
    }
}

/// What a row comes to.
#[derive(Debug)]
enum Decision {
    Create(Wanted),
    Exists(Wanted, Uuid),
    Refuse(Fault),
}

impl Registrar {
    /// Registers an inventory.
    ///
    /// # Errors
    /// `request.invalid` for the request as a whole, `device.contract_unknown`, and what the
    /// database or auth say; a row that cannot be is a verdict.
    pub(super) async fn import(
        &self,
        call: &Call,
        request: ImportDevicesRequest,
    ) -> Result<ImportDevicesResponse, Fault> {
        if !(1..=MOST_ROWS).contains(&request.devices.len()) {
            return Err(Fault::invalid("1 to 1000 devices at a time").with_pointer("/devices"));
        }
        let tenant = call.caller.tenant()?;
        let contract: ContractId =
            request.contract_id.parse().map_err(|_unreadable| unknown_contract())?;
        let compiled = self.contract(call, contract).await?;
        let rows: Vec<_> = request.devices.into_iter().map(checked).collect();
        let wish = Wish::of(request.factory_enrolment)?;
        let actor = Actor::of_subject(call.caller.subject());
        let mut tx = TenantTx::begin(&self.pg, tenant, &actor).await?;
        store::lock_imports(&mut tx).await?;
        let known = store::known(&mut tx, &names(&rows), &external_ids(&rows)).await?;
        let decisions = decide(rows, contract, &known);
        let new = decisions.iter().filter(|d| matches!(d, Decision::Create(_))).count();
        let new = i64::try_from(new).unwrap_or(i64::MAX);
        limit::hold_many(&mut tx, tenant, Limit::Devices, new, self.clock.now()).await?;
        let commit =
            !request.dry_run && !decisions.iter().any(|d| matches!(d, Decision::Refuse(_)));
        let mut made = Vec::new();
        if commit {
            made = self.make(&mut tx, contract, &decisions).await?;
            self.tell_auth(&tx, &decisions, &made, wish).await?;
            tx.commit().await?;
            for device in &made {
                let standing = DeviceStanding::default();
                self.registry.remember(*device, tenant, compiled.clone(), standing);
                self.announce(*device).await;
            }
        }
        Ok(answer(decisions, &made, commit))
    }

    async fn make(
        &self,
        tx: &mut TenantTx,
        contract: ContractId,
        decisions: &[Decision],
    ) -> Result<Vec<DeviceId>, Fault> {
        let mut made = Vec::new();
        for decision in decisions {
            let Decision::Create(wanted) = decision else { continue };
            let new = New {
                id: DeviceId::from_uuid(self.ids.uuid7()),
                name: wanted.name.clone(),
                external_id: Some(wanted.external_id.clone()),
                contract,
                labels: wanted.labels.clone(),
                said: String::new(),
                now: self.clock.now(),
            };
            // Taken by somebody since it was decided.
            store::insert(tx, &new).await.map_err(taken)?;
            store::insert_directory_entry(tx, &new).await?;
            made.push(new.id);
        }
        Ok(made)
    }

    /// Before the commit, as for a single device.
    async fn tell_auth(
        &self,
        tx: &TenantTx,
        decisions: &[Decision],
        made: &[DeviceId],
        wish: Wish,
    ) -> Result<(), Fault> {
        let mut made = made.iter();
        let mut devices = Vec::new();
        for decision in decisions {
            let (wanted, id) = match decision {
                Decision::Create(wanted) => (wanted, made.next().map(|id| id.uuid())),
                Decision::Exists(wanted, id) if wish != Wish::None => (wanted, Some(*id)),
                Decision::Exists(..) | Decision::Refuse(_) => continue,
            };
            let serial = if wish == Wish::Expect { wanted.external_id.as_str() } else { "" };
            devices.extend(id.map(|id| RegisteredDevice {
                device_id: id.as_hyphenated().to_string(),
                display_name: wanted.name.clone(),
                expected_serial: serial.to_owned(),
                expect_no_longer: wish == Wish::Withdraw,
            }));
        }
        let mut auth = EnrollmentServiceClient::new(self.auth.clone());
        for devices in devices.chunks(TOLD_AT_ONCE) {
            let (tenant_id, devices) = (tx.tenant().to_string(), devices.to_vec());
            let request = RegisterDevicesRequest { tenant_id, devices };
            auth.register_devices(request).await.map_err(|status| refused_by_auth(&status))?;
        }
        Ok(())
    }
}

fn checked(row: ImportedDevice) -> Result<Wanted, Fault> {
    let missing = || Fault::invalid("external_id is required").with_pointer("/external_id");
    Ok(Wanted {
        name: checked_name(&row.name, "/name")?,
        external_id: checked_external_id(&row.external_id, "/external_id")?.ok_or_else(missing)?,
        labels: checked_labels(row.labels, "/labels")?,
    })
}

fn names(rows: &[Result<Wanted, Fault>]) -> Vec<String> {
    rows.iter().flatten().map(|row| row.name.clone()).collect()
}

fn external_ids(rows: &[Result<Wanted, Fault>]) -> Vec<String> {
    rows.iter().flatten().map(|row| row.external_id.clone()).collect()
}

/// Holds each row against what is there and against the rows before it.
fn decide(
    rows: Vec<Result<Wanted, Fault>>,
    contract: ContractId,
    known: &[Known],
) -> Vec<Decision> {
    let by_id: HashMap<&str, &Known> =
        known.iter().filter_map(|row| Some((row.external_id.as_deref()?, row))).collect();
    let named: HashSet<&str> = known.iter().map(|row| row.name.as_str()).collect();
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    let refused = |pointer: &str, text: &str| {
        let fault = Fault::new(Code::ResourceExists).with_pointer(pointer).with_public(text);
        Decision::Refuse(fault)
    };
    let mut decisions = Vec::with_capacity(rows.len());
    for row in rows {
        decisions.push(match row {
            Err(fault) => Decision::Refuse(fault),
            Ok(row) if !ids.insert(row.external_id.clone()) => {
                refused("/external_id", "A row above has that external id.")
            }
            Ok(row) if !names.insert(row.name.clone()) => {
                refused("/name", "A row above has that name.")
            }
            Ok(row) => match by_id.get(row.external_id.as_str()) {
                Some(there) if there.is(&row.name, contract, &row.labels) => {
                    Decision::Exists(row, there.id)
                }
                Some(_) => refused(
                    "/external_id",
                    "A device of that external id exists with another name, contract or labels.",
                ),
                None if named.contains(row.name.as_str()) => {
                    refused("/name", "A device of that name exists already.")
                }
                None => Decision::Create(row),
            },
        });
    }
    decisions
}

fn answer(decisions: Vec<Decision>, made: &[DeviceId], committed: bool) -> ImportDevicesResponse {
    let mut made = made.iter();
    let mut response = ImportDevicesResponse { committed, ..ImportDevicesResponse::default() };
    for (row, decision) in (1..).zip(decisions) {
        let mut verdict = ImportVerdict { row, ..ImportVerdict::default() };
        match decision {
            Decision::Create(_) => {
                response.created += 1;
                verdict.set_outcome(ImportOutcome::Created);
                verdict.device_id = made.next().map(ToString::to_string).unwrap_or_default();
            }
            Decision::Exists(_, id) => {
                response.existing += 1;
                verdict.set_outcome(ImportOutcome::Exists);
                verdict.device_id = id.as_hyphenated().to_string();
            }
            Decision::Refuse(fault) => {
                response.refused += 1;
                verdict.set_outcome(ImportOutcome::Refused);
                fault.code().as_str().clone_into(&mut verdict.code);
                fault.pointer().unwrap_or_default().clone_into(&mut verdict.pointer);
                fault.public().clone_into(&mut verdict.detail);
            }
        }
        response.verdicts.push(verdict);
    }
    response
}
