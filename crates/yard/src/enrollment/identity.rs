use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Credential;
use crate::api::Api;
use crate::failure::{Failure, Outcome};
use crate::pki::write_private;

/// The key of a device that has asked for its first certificate and has no answer yet.
const FIRST_KEY: &str = "enrolling.key";
const KEY: &str = "device.key";
const CERTIFICATE: &str = "device.pem";
const CA: &str = "ca.pem";
pub(super) const CONNECTION: &str = "connection.json";
/// In the order in which they are replaced.
pub(super) const FILES: [&str; 4] = [CERTIFICATE, CA, KEY, CONNECTION];

/// Where a device connects to, and as whom; `connection.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionFile {
    /// Also the MQTT client id and the first part of every topic below `device/`.
    pub device_id: Uuid,
    /// As the broker's certificate names it.
    pub mqtt_host: String,
    /// TLS with a required client certificate.
    pub mqtt_port: u16,
    /// When the certificate ends, RFC 3339.
    #[serde(default)]
    pub not_after: Option<String>,
    /// When it should be renewed, RFC 3339.
    #[serde(default)]
    pub renew_after: Option<String>,
}

/// All that a device needs to connect.
#[derive(Debug, Clone)]
pub struct DeviceIdentity {
    /// PKCS#8, as secret as can be.
    pub key_pem: String,
    /// The device's certificate.
    pub certificate_pem: String,
    /// What the broker's certificate is checked against, and nothing else.
    pub ca_pem: String,
    /// Where to connect.
    pub connection: ConnectionFile,
}

impl DeviceIdentity {
    /// Has a certificate signed for a key on P-256.
    pub async fn enroll(api: &Api, credential: &Credential, key: &KeyPair) -> Outcome<Self> {
        // The platform takes the subject from the credential, not from the request.
        let request = CertificateParams::default().serialize_request(key)?.pem()?;
        let enrolled = api.enroll(&credential.request(&request)?).await?;
        Ok(Self {
            key_pem: key.serialize_pem(),
            certificate_pem: enrolled.certificate_pem,
            ca_pem: enrolled.ca_pem,
            connection: ConnectionFile {
                device_id: enrolled.device_id,
                mqtt_host: enrolled.mqtt_host,
                mqtt_port: enrolled.mqtt_port,
                not_after: enrolled.not_after,
                renew_after: enrolled.renew_after,
            },
        })
    }

    /// Writes the four files; the connection last, so that its presence means all are there.
    pub fn write(&self, dir: &Path) -> Outcome {
        let connection = serde_json::to_string_pretty(&self.connection)
            .map_err(|error| Failure::other(error.to_string()))?;
        write_private(&dir.join(KEY), &self.key_pem)?;
        for (name, content) in
            [(CERTIFICATE, &self.certificate_pem), (CA, &self.ca_pem), (CONNECTION, &connection)]
        {
            let path = dir.join(name);
            fs::write(&path, content).map_err(Failure::file(&path))?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] wrote; `None` when the device was not enrolled here.
    pub fn read(dir: &Path) -> Outcome<Option<Self>> {
        super::renewal::finish(dir)?;
        let path = dir.join(CONNECTION);
        if !path.exists() {
            return Ok(None);
        }
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(Failure::file(&path))
        };
        let connection = serde_json::from_str(&read(CONNECTION)?)
            .map_err(|error| Failure::other(format!("{}: {error}", path.display())))?;
        Ok(Some(Self {
            key_pem: read(KEY)?,
            certificate_pem: read(CERTIFICATE)?,
            ca_pem: read(CA)?,
            connection,
        }))
    }
}

/// A fresh key on P-256.
pub fn new_key() -> Outcome<KeyPair> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// The key that a manufacturer's certificate is shown with. It is kept until an answer has come:
/// whoever repeats the command gets the same certificate then, where a new key would be refused.
pub(super) fn first_key(dir: &Path) -> Outcome<KeyPair> {
    let path = dir.join(FIRST_KEY);
    if path.exists() {
        let pem = fs::read_to_string(&path).map_err(Failure::file(&path))?;
        return Ok(KeyPair::from_pem(&pem)?);
    }
    let key = new_key()?;
    write_private(&path, &key.serialize_pem())?;
    Ok(key)
}

/// Once the device has its certificate.
pub(super) fn forget_first_key(dir: &Path) -> Outcome {
    let path = dir.join(FIRST_KEY);
    if !path.exists() {
        return Ok(());
    }
    fs::remove_file(&path).map_err(Failure::file(&path))
}

/// A key that is there is somebody's identity.
pub(super) fn refuse_if_enrolled(dir: &Path) -> Outcome {
    let key = dir.join(KEY);
    if key.exists() {
        return Err(Failure::other(format!("{} is there already", key.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use yard_testkit::TestFolder;

    use super::*;

    #[test]
    fn identity_written_is_read_back_and_its_key_is_private() {
        let dir = TestFolder::new("identity");
        assert!(DeviceIdentity::read(&dir).unwrap().is_none());
        let device = DeviceIdentity {
            key_pem: "k".to_owned(),
            certificate_pem: "c".to_owned(),
            ca_pem: "a".to_owned(),
            connection: ConnectionFile {
                device_id: Uuid::nil(),
                mqtt_host: "h".to_owned(),
                mqtt_port: 8883,
                not_after: None,
                renew_after: None,
            },
        };
        device.write(&dir).unwrap();
        let mode = fs::metadata(dir.join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let back = DeviceIdentity::read(&dir).unwrap().unwrap();
        assert_eq!((back.key_pem.as_str(), back.connection), ("k", device.connection));
        assert!(refuse_if_enrolled(&dir).is_err());
    }

    #[test]
    fn first_key_stays_the_same_until_its_certificate_has_come() {
        let dir = TestFolder::new("first-key");
        let key = first_key(&dir).unwrap().serialize_pem();
        let mode = fs::metadata(dir.join(FIRST_KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(first_key(&dir).unwrap().serialize_pem(), key);
        forget_first_key(&dir).unwrap();
        assert!(first_key(&dir).unwrap().serialize_pem() != key);
    }
}
