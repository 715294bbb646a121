//! Certificates, good and bad, and revocation lists, signed by the test itself.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use time::OffsetDateTime;
use yard_ids::{Clock as _, DeviceId, SystemClock};

use crate::support::{SOON, World};

/// A certificate with its key, or none.
pub(crate) struct Papers(Option<(CertificateDer<'static>, Vec<u8>)>);

impl Papers {
    /// Of the world's own authority.
    pub(crate) fn of(world: &World, device: DeviceId) -> Self {
        Self::numbered(world, device, 1)
    }

    /// Of the world's own authority, with a serial of the test's choice.
    pub(crate) fn numbered(world: &World, device: DeviceId, serial: u64) -> Self {
        let issuer = authority(world);
        Self::signed(device, serial, &issuer)
    }

    /// Of an authority that nobody knows, under the name of a device.
    pub(crate) fn foreign(device: DeviceId) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self::signed(device, 1, &Issuer::new(params, KeyPair::generate().unwrap()))
    }

    /// No certificate at all.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    fn signed(device: DeviceId, serial: u64, issuer: &Issuer<'_, KeyPair>) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, device.to_string());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = SystemClock.now() - Duration::from_secs(60);
        params.not_after = SystemClock.now() + Duration::from_secs(3_600);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        Self(Some((certificate.der().clone(), key.serialize_der())))
    }

    pub(crate) fn client(&self, world: &World) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let ca = std::fs::read(world.pki.join("device-ca.pem")).unwrap();
        roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots);
        match &self.0 {
            None => client.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
                client.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
        }
    }

    /// Whether the broker lets somebody in with them.
    pub(crate) async fn open_the_door(&self, world: &World, client_id: &str) -> bool {
        let mut options = MqttOptions::new(client_id, ("localhost", world.broker.port()));
        let tls = TlsConfiguration::Rustls(std::sync::Arc::new(self.client(world)));
        options.set_transport(Transport::tls_with_config(tls));
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(10).build();
        let knock = async {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        let answer = tokio::time::timeout(SOON, knock).await.expect("the broker answers");
        drop(client);
        answer
    }
}

fn authority(world: &World) -> Issuer<'static, KeyPair> {
    let read = |name: &str| std::fs::read_to_string(world.pki.join(name)).unwrap();
    let key = KeyPair::from_pem(&read("device-ca.key")).unwrap();
    Issuer::from_ca_cert_pem(&read("device-ca.pem"), key).unwrap()
}

/// Puts a revocation list with that number in force, as the agent beside the broker would.
pub(crate) fn put_in_force(world: &World, number: u64, serials: &[u64], until: OffsetDateTime) {
    let now = SystemClock.now();
    let entry = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: now,
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: now.min(until) - Duration::from_secs(300),
        next_update: until,
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let pem = list.signed_by(&authority(world)).unwrap().pem().unwrap();
    replace(world, &format!("# switchyard revocation list {number}\n{pem}"));
}

/// Puts any bytes where the broker reads its list.
pub(crate) fn replace(world: &World, content: &str) {
    std::fs::write(world.pki.join("device-crl.pem"), content).unwrap();
    world.broker.refresh_crl();
}
