//! A device: a key that stays with it, a certificate, one reading over MQTT.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
pub use rumqttc::mqttbytes::v5::PubAckReason;
use rumqttc::mqttbytes::v5::PublishProperties;
use rumqttc::{
    AsyncClient, Event, Incoming, MqttOptions, PublishOptions, QoS, TlsConfiguration, Transport,
};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use x509_parser::pem::parse_x509_pem;
use yard::enrollment::DeviceIdentity;
use yard_ids::{Clock as _, SystemClock};
use yard_runtime::{Runtime, TaskKind};

use crate::client::Client;
use crate::world::text;

/// What an enrolled device holds.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// Of the certificate, lower-case hexadecimal.
    pub serial: String,
    /// The request it was signed from.
    pub csr_pem: String,
    key_pem: String,
    certificate_pem: String,
    ca_pem: String,
}

impl Enrolled {
    /// A device that has enrolled by `yard`.
    ///
    /// # Errors
    /// When its certificate cannot be read.
    pub fn by_yard(device: &DeviceIdentity) -> anyhow::Result<Self> {
        Ok(Self {
            serial: device.serial()?,
            csr_pem: String::new(),
            key_pem: device.key_pem.clone(),
            certificate_pem: device.certificate_pem.clone(),
            ca_pem: device.ca_pem.clone(),
        })
    }
}

pub(crate) async fn enroll(owner: &Client, device: &str) -> anyhow::Result<Enrolled> {
    let path = format!("/api/v1/devices/{device}/claim-codes");
    let code = owner.expect("POST", &path, Some(&json!({"valid_for_seconds": 600}))).await?;
    let key = KeyPair::generate()?;
    let csr_pem = CertificateParams::new(Vec::new())?.serialize_request(&key)?.pem()?;
    let body = json!({"claim_code": text(&code, "code")?, "csr_pem": csr_pem});
    let made = owner.expect("POST", "/api/v1/enrollments", Some(&body)).await?;
    let certificate_pem = text(&made, "certificate_pem")?;
    let (_, block) = parse_x509_pem(certificate_pem.as_bytes())?;
    let serial = block.parse_x509()?.raw_serial().iter().map(|b| format!("{b:02x}")).collect();
    Ok(Enrolled {
        serial,
        csr_pem,
        key_pem: key.serialize_pem(),
        certificate_pem,
        ca_pem: text(&made, "ca_pem")?,
    })
}

pub(crate) async fn publish_reading(
    port: u16,
    device: &str,
    enrolled: &Enrolled,
    note: &str,
) -> anyhow::Result<()> {
    let at = SystemClock.now().format(&Rfc3339)?;
    let reading = json!({
        "at": at, "epoch": 1, "seq": 1, "values": {"flow_lps": 1.5, "note": note},
    });
    let topic = format!("device/{device}/telemetry");
    match publish(port, device, enrolled, &topic, &reading.to_string()).await? {
        PubAckReason::Success => Ok(()),
        refused => bail!("the broker answered {refused:?}"),
    }
}

/// Publishes once with a device's certificate; the broker's answer.
///
/// # Errors
/// When the broker does not let the device in, or does not answer.
pub async fn publish(
    port: u16,
    client_id: &str,
    enrolled: &Enrolled,
    topic: &str,
    payload: &str,
) -> anyhow::Result<PubAckReason> {
    let options = enrolled.options(port, client_id);
    let (client, mut events) = AsyncClient::builder(options).capacity(10).build();
    let parent = format!("00-{}-00f067aa0ba902b7-01", crate::TRACE_OF_A_READING);
    let properties = PublishProperties {
        user_properties: vec![("traceparent".to_owned(), parent)],
        ..PublishProperties::default()
    };
    let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
    client.publish(topic, payload.to_owned(), options).await?;
    let answered = async {
        loop {
            if let Event::Incoming(Incoming::PubAck(ack)) = events.poll().await? {
                return anyhow::Ok(ack.reason);
            }
        }
    };
    match tokio::time::timeout(Duration::from_secs(10), answered).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => bail!("the broker did not answer"),
    }
}

/// A device that stays connected, and comes back when it is disconnected, as devices do.
pub struct Connected {
    let_in: watch::Receiver<u32>,
    refused: watch::Receiver<u32>,
    ended: watch::Receiver<Option<Instant>>,
    runtime: Runtime,
}

impl Connected {
    /// Connects with one TLS set-up for all its connections, so that it may resume a session.
    ///
    /// # Errors
    /// When the broker does not let it in.
    pub async fn open(port: u16, enrolled: &Enrolled) -> anyhow::Result<Self> {
        let mut options = enrolled.options(port, "a name the broker replaces");
        options.set_keep_alive(30);
        let (client, mut events) = AsyncClient::builder(options).capacity(10).build();
        let (count, let_in) = watch::channel(0);
        let (count_refused, refused) = watch::channel(0);
        let (end, ended) = watch::channel(None);
        let runtime = Runtime::builder("device", "test").build();
        let soft = runtime.shutdown().soft().clone();
        runtime.tasks().spawn(TaskKind::Background, "device", async move {
            // Without it the library ends: nobody could publish any more.
            let _held = client;
            let live = async {
                let mut inside = false;
                loop {
                    match events.poll().await {
                        Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                            inside = true;
                            count.send_modify(|n| *n += 1);
                        }
                        Ok(_) => {}
                        Err(_) if inside => {
                            inside = false;
                            end.send_if_modified(|at| at.replace(Instant::now()).is_none());
                        }
                        Err(_) => {
                            count_refused.send_modify(|n| *n += 1);
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
            };
            soft.run_until_cancelled(live).await;
            Ok(())
        });
        let mut this = Self { let_in, refused, ended, runtime };
        this.let_in.wait_for(|n| *n > 0).await?;
        Ok(this)
    }

    /// How often the broker has let it in.
    #[must_use]
    pub fn times_let_in(&self) -> u32 {
        *self.let_in.borrow()
    }

    /// Waits until its first connection has ended; when that was.
    ///
    /// # Errors
    /// When it is stopped meanwhile.
    pub async fn ended(&mut self) -> anyhow::Result<Instant> {
        self.ended.wait_for(Option::is_some).await?.context("an end")
    }

    /// Waits until the broker has refused it so often.
    ///
    /// # Errors
    /// When it is stopped meanwhile.
    pub async fn refused(&mut self, times: u32) -> anyhow::Result<()> {
        self.refused.wait_for(|n| *n >= times).await?;
        Ok(())
    }

    /// Goes.
    pub async fn close(self) {
        self.runtime.stop(Duration::ZERO, Duration::from_secs(5)).await;
    }
}

impl Enrolled {
    fn options(&self, port: u16, client_id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, ("localhost", port));
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Simple {
            ca: self.ca_pem.clone().into_bytes(),
            alpn: None,
            client_auth: Some((
                self.certificate_pem.clone().into_bytes(),
                self.key_pem.clone().into_bytes(),
            )),
        }));
        options
    }

    /// The device with a certificate that another of the platform's authorities has signed before.
    ///
    /// # Errors
    /// When the authority cannot be used.
    pub fn of_authority(&self, device: &str, ca: &str, ca_key: &str) -> anyhow::Result<Self> {
        let issuer = Issuer::from_ca_cert_pem(ca, KeyPair::from_pem(ca_key)?)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, device);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let serial = format!("5{:0>31}", "7");
        let bytes: Vec<u8> = u128::from_str_radix(&serial, 16)?.to_be_bytes().to_vec();
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&bytes));
        let certificate_pem = params.signed_by(&key, &issuer)?.pem();
        Ok(Self { serial, key_pem: key.serialize_pem(), certificate_pem, ..self.clone() })
    }

    /// A device whose certificate another authority signed.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn by_a_stranger(&self, device: &str) -> anyhow::Result<Self> {
        let (ca_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let ca = CertificateParams::new(Vec::new())?;
        let issuer = Issuer::from_params(&ca, &ca_key);
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, device);
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self {
            key_pem: key.serialize_pem(),
            certificate_pem: certificate.pem(),
            ..self.clone()
        })
    }
}
