//! Enrolment: a key made here, a certificate signed there. The key never leaves this machine.

mod credential;
mod identity;
mod renewal;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use yard_ids::{Clock as _, SystemClock};

pub use credential::Credential;
pub use identity::{ConnectionFile, DeviceIdentity, new_key};

use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};
use crate::session::ProfileFile;

/// Arguments of `yard enroll`.
#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// The one-time code that an operator made for the device.
    #[arg(long, required_unless_present = "factory_certificate")]
    pub claim_code: Option<String>,
    /// In place of a claim code: the certificate that the manufacturer gave the device, PEM. It works
    /// once; until an answer has come, the same command may be repeated.
    #[arg(long, value_name = "FILE", requires = "factory_key", conflicts_with = "claim_code")]
    pub factory_certificate: Option<PathBuf>,
    /// The key of that certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "factory_certificate")]
    pub factory_key: Option<PathBuf>,
    /// Folder for device.key, device.pem, ca.pem and connection.json; made when missing.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Where the platform is; left out, that of the signed-in session. No session is needed.
    #[arg(long)]
    pub url: Option<String>,
}

impl EnrollArgs {
    fn credential(&self) -> Outcome<Credential> {
        if let (Some(certificate), Some(key)) = (&self.factory_certificate, &self.factory_key) {
            return Credential::factory(certificate, key);
        }
        // clap has seen to it that there is one.
        Ok(Credential::ClaimCode(self.claim_code.clone().unwrap_or_default()))
    }
}

/// Arguments of `yard devices renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// The device's folder, as `yard enroll` made it.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Where the platform is; left out, that of the signed-in session. No session is needed.
    #[arg(long)]
    pub url: Option<String>,
    /// Does nothing before two thirds of the certificate's life are over; for a daily timer.
    #[arg(long)]
    pub if_due: bool,
}

/// Renews a device's certificate.
pub async fn renew(args: &RenewArgs, api: &Api, out: Output) -> Outcome {
    let missing = || Failure::other(format!("no device was enrolled in {}", args.dir.display()));
    let device = DeviceIdentity::read(&args.dir)?.ok_or_else(missing)?;
    if args.if_due && !device.is_due(SystemClock.now()) {
        let answer = json!({"renewed": false, "renew_after": device.connection.renew_after});
        out.answer(&answer, |out| out.line("not due yet"));
        return Ok(());
    }
    let (device, quarantined) = device.renew(api).await?;
    device.replace(&args.dir)?;
    let about = &device.connection;
    let answer = json!({
        "renewed": true, "device_id": about.device_id, "not_after": about.not_after,
        "renew_after": about.renew_after, "quarantined": quarantined,
    });
    out.answer(&answer, |out| {
        out.line(&format!("renewed until {}", about.not_after.clone().unwrap_or_default()));
        if quarantined {
            out.line(
                "in quarantine: nothing that it sends is accepted before an operator approves",
            );
        }
    });
    Ok(())
}

/// Enrols a device.
pub async fn run(args: &EnrollArgs, profile: &ProfileFile, out: Output) -> Outcome {
    let api = match &args.url {
        Some(url) => Api::anonymous(url)?,
        None => profile.api()?,
    };
    identity::refuse_if_enrolled(&args.dir)?;
    let credential = args.credential()?;
    let key = match &credential {
        // A code is spent with the key it came with; the next one wants a key of its own.
        Credential::ClaimCode(_) => identity::new_key()?,
        Credential::Factory { .. } => identity::first_key(&args.dir)?,
    };
    let device = DeviceIdentity::enroll(&api, &credential, &key).await?;
    device.write(&args.dir)?;
    identity::forget_first_key(&args.dir)?;
    let about = &device.connection;
    let answer = json!({
        "device_id": about.device_id, "mqtt_host": about.mqtt_host,
        "mqtt_port": about.mqtt_port, "not_after": about.not_after, "dir": args.dir,
    });
    out.answer(&answer, |out| {
        let facts = [
            ("device", about.device_id.to_string()),
            ("broker", format!("{}:{}", about.mqtt_host, about.mqtt_port)),
            ("valid until", about.not_after.clone().unwrap_or_default()),
            ("files", args.dir.display().to_string()),
        ];
        for line in Table::facts(&facts).lines() {
            out.line(&line);
        }
    });
    Ok(())
}
