use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::api::{Api, Certificate};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

const LOOK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(30);

/// Shows what a device may connect with.
pub(super) async fn list(api: &Api, device: Uuid, out: Output) -> Outcome {
    let certificates = api.certificates(device).await?;
    out.answer(&certificates, |out| {
        let titles = ["state", "until", "superseded", "revoked", "enforced", "serial"];
        let mut table = Table::new(&titles);
        let moment = |at: &Option<String>| at.clone().unwrap_or_else(|| "-".to_owned());
        for certificate in &certificates {
            table.row(vec![
                state(certificate),
                moment(&certificate.not_after),
                moment(&certificate.superseded_at),
                moment(&certificate.revoked_at),
                moment(&certificate.enforced_at),
                certificate.serial.clone(),
            ]);
        }
        for line in table.lines() {
            out.line(&line);
        }
    });
    Ok(())
}

/// Revokes a certificate and waits until nobody is connected with it any more.
pub(super) async fn revoke(api: &Api, serial: &str, wait: bool, out: Output) -> Outcome {
    let begun = Instant::now();
    let mut certificate = api.revoke(serial).await?;
    while wait && certificate.enforced_at.is_none() {
        if begun.elapsed() > PATIENCE {
            return Err(Failure::other(
                "revoked, but the broker has not confirmed it; see the runbook revoke-a-device",
            ));
        }
        tokio::time::sleep(LOOK).await;
        let all = api.certificates(certificate.device_id).await?;
        let found = all.into_iter().find(|one| one.serial == serial);
        certificate = found.ok_or_else(|| Failure::other("the certificate is gone"))?;
    }
    out.answer(&certificate, |out| match &certificate.enforced_at {
        Some(at) => out.line(&format!("revoked; nobody is connected with it since {at}")),
        None => out.line("revoked; its connections are being ended"),
    });
    Ok(())
}

/// Shows who waits for an operator.
pub(super) async fn quarantined(api: &Api, out: Output) -> Outcome {
    let devices = api.quarantined_devices().await?;
    out.answer(&devices, |out| {
        let mut table = Table::new(&["name", "since", "id"]);
        for device in &devices {
            let since = device.since.clone().unwrap_or_default();
            table.row(vec![device.display_name.clone(), since, device.device_id.to_string()]);
        }
        for line in table.lines() {
            out.line(&line);
        }
    });
    Ok(())
}

/// Ends a device's quarantine one way or the other.
pub(super) async fn decide(api: &Api, device: Uuid, approve: bool, out: Output) -> Outcome {
    let device = api.decide_quarantine(device, approve).await?;
    let word = if approve { "approved" } else { "refused; its certificates are being revoked" };
    out.answer(&device, |out| out.line(&format!("{} {word}", device.display_name)));
    Ok(())
}

fn state(certificate: &Certificate) -> String {
    let word = certificate.state.strip_prefix("CERTIFICATE_STATE_");
    word.unwrap_or(&certificate.state).to_lowercase()
}
