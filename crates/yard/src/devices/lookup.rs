use uuid::Uuid;

use crate::api::{Api, Contract, Device};
use crate::failure::{Failure, Outcome};

/// A device by id or by its whole name.
pub async fn find_device(api: &Api, wanted: &str) -> Outcome<Device> {
    if let Ok(id) = Uuid::try_parse(wanted) {
        return api.device(id).await;
    }
    let page = api.all_devices(wanted).await?;
    let found = page.devices.into_iter().find(|device| device.name == wanted);
    found.ok_or_else(|| Failure::other(format!("no device has the name or id {wanted:?}")))
}

/// A contract by id, or the highest version of a name.
pub async fn find_contract(api: &Api, wanted: &str) -> Outcome<Contract> {
    let id = Uuid::try_parse(wanted).ok();
    let contracts = api.contracts().await?.into_iter();
    let fitting = contracts.filter(|c| id.map_or(c.name == wanted, |id| c.contract_id == id));
    let found = fitting.max_by_key(|contract| contract.version);
    found.ok_or_else(|| Failure::other(format!("no contract has the name or id {wanted:?}")))
}
