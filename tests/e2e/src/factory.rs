//! A manufacturer of devices, with a CA of its own.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use crate::client::Client;
use crate::world::text;

const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
/// `clientAuth` and "may enrol with Switchyard" in DER. The library cannot write the second: it is
/// an arc of a UUID.
const USAGES: &[u8] = &[
    0x30, 32, 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2, 0x06, 20, 0x69, 0x81, 0xf9, 0x9e, 0x8f, 0xd6,
    0xc7, 0xd4, 0x92, 0xae, 0x8d, 0x9f, 0x8b, 0xda, 0xc1, 0xc5, 0xf4, 0xb4, 0xc3, 0x34,
];

/// What its CA is registered with.
#[derive(Debug)]
pub struct Factory {
    /// Registered and withdrawn, so that it can be registered anew.
    pub authority_id: String,
    /// The CA.
    pub certificate_pem: String,
    /// That it may be used for the tenant.
    pub proof_pem: String,
    ca: CertificateParams,
    key: KeyPair,
}

impl Factory {
    /// A certificate of the CA for a device of that serial number, and the device's key; both PEM.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn born(&self, serial: &str) -> anyhow::Result<(String, String)> {
        let mut device = CertificateParams::default();
        device.distinguished_name = DistinguishedName::new();
        device.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), serial);
        device.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let usages = CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, USAGES.to_vec());
        device.custom_extensions = vec![usages];
        let key = KeyPair::generate()?;
        let signed = device.signed_by(&key, &Issuer::from_params(&self.ca, &self.key))?;
        Ok((signed.pem(), key.serialize_pem()))
    }
}

/// Its name holds the tenant's canary.
pub(crate) async fn factory(owner: &Client, tenant: &str, canary: &str) -> anyhow::Result<Factory> {
    let mut ca = named("works");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let proof = named(&format!("switchyard {tenant}"));
    let proof_pem = proof.signed_by(&KeyPair::generate()?, &Issuer::from_params(&ca, &key))?.pem();
    let certificate_pem = ca.self_signed(&key)?.pem();
    let body = json!({
        "name": format!("works {canary}"), "certificate_pem": certificate_pem, "proof_pem": proof_pem,
    });
    let made = owner.expect("POST", "/api/v1/factory-authorities", Some(&body)).await?;
    let authority_id = text(&made, "authority_id")?;
    let path = format!("/api/v1/factory-authorities/{authority_id}/withdrawal");
    owner.expect("POST", &path, Some(&json!({}))).await?;
    Ok(Factory { authority_id, certificate_pem, proof_pem, ca, key })
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
