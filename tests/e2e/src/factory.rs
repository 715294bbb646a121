//! A manufacturer of devices, with a CA of its own.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use crate::client::Client;
use crate::world::text;

/// What its CA is registered with.
#[derive(Debug)]
pub struct Factory {
    /// Registered and withdrawn, so that it can be registered anew.
    pub authority_id: String,
    /// The CA.
    pub certificate_pem: String,
    /// That it may be used for the tenant.
    pub proof_pem: String,
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
    Ok(Factory { authority_id, certificate_pem, proof_pem })
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
