//! The next certificate, asked for with the key of the one that is there.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use x509_parser::pem::parse_x509_pem;

use super::identity::{ConnectionFile, DeviceIdentity, new_key};
use crate::api::{Api, Renewed};
use crate::failure::{Failure, Outcome};

/// Where the next files lie until all of them are complete.
const NEXT: &str = "next";

impl DeviceIdentity {
    /// Makes a new key and has a certificate signed for it; the old key proves who asks. Whether
    /// the device is in quarantine now comes with it.
    pub async fn renew(&self, api: &Api) -> Outcome<(Self, bool)> {
        let key = new_key()?;
        let csr_pem = CertificateParams::default().serialize_request(&key)?.pem()?;
        let serial = self.serial()?;
        let signed = format!("switchyard certificate renewal\n{serial}\n{csr_pem}");
        let signature = KeyPair::from_pem(&self.key_pem)?.sign(signed.as_bytes())?;
        let renewed = api.renew(&serial, &csr_pem, &STANDARD.encode(signature)).await?;
        let quarantined = renewed.quarantined;
        Ok((self.with(key.serialize_pem(), renewed), quarantined))
    }

    fn with(&self, key_pem: String, renewed: Renewed) -> Self {
        Self {
            key_pem,
            certificate_pem: renewed.certificate_pem,
            ca_pem: renewed.ca_pem,
            connection: ConnectionFile {
                not_after: renewed.not_after,
                renew_after: renewed.renew_after,
                ..self.connection.clone()
            },
        }
    }

    /// As certificates are named in the platform.
    pub fn serial(&self) -> Outcome<String> {
        let unreadable = || Failure::other("device.pem holds no certificate");
        let pem = parse_x509_pem(self.certificate_pem.as_bytes());
        let (_, block) = pem.map_err(|_unreadable| unreadable())?;
        let certificate = block.parse_x509().map_err(|_unreadable| unreadable())?;
        Ok(certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether it is time to renew. A fleet that was enrolled in one hour does not come back in
    /// one: each device has its own moment, a tenth of the life before or after two thirds.
    #[must_use]
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        let moment = |text: &Option<String>| OffsetDateTime::parse(text.as_deref()?, &Rfc3339).ok();
        let about = &self.connection;
        let Some(end) = moment(&about.not_after) else { return false };
        let usual = moment(&about.renew_after).unwrap_or(end - Duration::days(30));
        now >= usual + (end - usual) * offset(about.device_id)
    }

    /// Replaces the files of a device. A crash in between is made good by [`finish`].
    pub fn replace(&self, dir: &Path) -> Outcome {
        self.write(&dir.join(NEXT))?;
        finish(dir)
    }
}

/// Of the last third of the life, -0.3 to 0.3: that third is a third of the life.
fn offset(device: Uuid) -> f64 {
    let [.., high, low] = device.into_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX) * 0.6 - 0.3
}

/// Puts complete new files in place, if there are any.
pub(super) fn finish(dir: &Path) -> Outcome {
    let next = dir.join(NEXT);
    // It is written last and moved last: as long as it is there, the others are to be moved.
    if !next.join(super::identity::CONNECTION).exists() {
        return Ok(());
    }
    for name in super::identity::FILES {
        let from = next.join(name);
        if from.exists() {
            fs::rename(&from, dir.join(name)).map_err(Failure::file(&from))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use yard_testkit::TestFolder;

    use super::*;

    fn identity(device_id: Uuid) -> DeviceIdentity {
        DeviceIdentity {
            key_pem: "key 1".to_owned(),
            certificate_pem: "certificate 1".to_owned(),
            ca_pem: "ca".to_owned(),
            connection: ConnectionFile {
                device_id,
                mqtt_host: "h".to_owned(),
                mqtt_port: 8883,
                not_after: Some("2026-05-30T00:00:00Z".to_owned()),
                renew_after: Some("2026-04-30T00:00:00Z".to_owned()),
            },
        }
    }

    #[test]
    fn devices_renew_at_two_thirds_a_tenth_of_the_life_apart() {
        let first = identity(Uuid::from_u128(0));
        assert!(!first.is_due(datetime!(2026-04-20 23:59 UTC)));
        assert!(first.is_due(datetime!(2026-04-21 00:01 UTC)));
        let last = identity(Uuid::from_u128(0xffff));
        assert!(!last.is_due(datetime!(2026-05-08 23:59 UTC)));
        assert!(last.is_due(datetime!(2026-05-09 00:01 UTC)));
        let mut old = identity(Uuid::from_u128(0));
        old.connection.not_after = None;
        assert!(!old.is_due(datetime!(2030-01-01 0:00 UTC)));
    }

    #[test]
    fn files_are_replaced_together_also_after_a_crash_in_between() {
        let dir = TestFolder::new("renewal");
        let first = identity(Uuid::nil());
        first.write(&dir).unwrap();
        let second = DeviceIdentity {
            key_pem: "key 2".to_owned(),
            certificate_pem: "certificate 2".to_owned(),
            ..first
        };
        second.write(&dir.join(NEXT)).unwrap();
        // The key is in its place, the certificate is not.
        fs::rename(dir.join("next/device.key"), dir.join("device.key")).unwrap();
        let read = DeviceIdentity::read(&dir).unwrap().unwrap();
        assert_eq!((read.key_pem, read.certificate_pem), (second.key_pem, second.certificate_pem));
        assert!(!dir.join("next/connection.json").exists());
    }
}
