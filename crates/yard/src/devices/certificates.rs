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
        let mut table = Table::new(&["state", "until", "revoked", "enforced", "serial"]);
        let moment = |at: &Option<String>| at.clone().unwrap_or_else(|| "-".to_owned());
        for certificate in &certificates {
            table.row(vec![
                state(certificate),
                moment(&certificate.not_after),
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

fn state(certificate: &Certificate) -> String {
    let word = certificate.state.strip_prefix("CERTIFICATE_STATE_");
    word.unwrap_or(&certificate.state).to_lowercase()
}
