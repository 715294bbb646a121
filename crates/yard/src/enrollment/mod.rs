//! Enrolment: a key made here, a certificate signed there. The key never leaves this machine.

mod identity;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

pub use identity::{ConnectionFile, DeviceIdentity};

use crate::api::Api;
use crate::failure::Outcome;
use crate::output::{Output, Table};
use crate::session::ProfileFile;

/// Arguments of `yard enroll`.
#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// The one-time code that an operator made for the device.
    #[arg(long)]
    pub claim_code: String,
    /// Folder for device.key, device.pem, ca.pem and connection.json; made when missing.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Where the platform is; left out, that of the signed-in session. No session is needed.
    #[arg(long)]
    pub url: Option<String>,
}

/// Enrols a device.
pub async fn run(args: &EnrollArgs, profile: &ProfileFile, out: Output) -> Outcome {
    let api = match &args.url {
        Some(url) => Api::anonymous(url)?,
        None => profile.api()?,
    };
    identity::refuse_if_enrolled(&args.dir)?;
    let device = DeviceIdentity::enroll(&api, &args.claim_code).await?;
    device.write(&args.dir)?;
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
