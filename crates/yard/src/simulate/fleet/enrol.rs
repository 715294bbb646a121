use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::PATIENCE;
use crate::api::{Api, Device, DeviceDraft};
use crate::devices::find_device;
use crate::enrollment::{Credential, DeviceIdentity, new_key};
use crate::failure::{Failure, Outcome};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Repeats a request that is throttled, or whose answer did not come.
pub(super) async fn patiently<T, F: Future<Output = Outcome<T>>>(
    mut ask: impl FnMut() -> F,
) -> Outcome<T> {
    let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        match ask().await {
            Err(failure) if failure.is_passing() && started.elapsed() < PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Registers a device, or finds the one that an earlier try has registered.
pub(super) async fn register(api: &Api, name: &str, contract: Uuid) -> Outcome<Device> {
    let contract_id = contract.to_string();
    let labels = BTreeMap::from([("simulated".to_owned(), "true".to_owned())]);
    let draft = DeviceDraft { name, external_id: None, contract_id: &contract_id, labels };
    match patiently(|| api.create_device(&draft)).await {
        Err(Failure::Refused(problem)) if problem.status == 409 => find_device(api, name).await,
        outcome => outcome,
    }
}

/// Has a certificate signed. A claim code works once, so each try gets its own.
pub(super) async fn enrol(api: &Api, device: Uuid) -> Outcome<DeviceIdentity> {
    patiently(|| async {
        let code = api.create_claim_code(device).await?;
        DeviceIdentity::enroll(api, &Credential::ClaimCode(code.code), &new_key()?).await
    })
    .await
}
