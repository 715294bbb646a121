//! The connection: TLS with the device's certificate, one persistent MQTT 5 session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet,
    PersistedAckMode, PersistedSession, QoS, SessionStore, SessionStoreError, SessionStoreKey,
    TlsConfiguration, Transport,
};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc::UnboundedSender;

use crate::enrollment::DeviceIdentity;
use crate::failure::{Failure, Outcome};

const KEEP_ALIVE_SECONDS: u16 = 30;
/// How long the broker keeps commands for a device that is away.
const SESSION_SECONDS: u32 = 86_400;
/// Above the largest payload of the contract, 256 KiB.
const LARGEST_PACKET: u32 = 512 * 1024;
/// Publishes that are no readings.
const OTHERS_IN_FLIGHT: u16 = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What happens on a connection.
#[derive(Debug)]
pub(super) enum Happening {
    /// There is a session; its subscriptions may be gone.
    Up,
    /// The connection was lost or not made; it is being tried again.
    Down(String),
    /// A message for the device.
    Message(rumqttc::Publish),
}

/// Trusted roots, parsed once for all devices of one CA.
#[derive(Default)]
pub(in crate::simulate) struct TlsTrust(Mutex<HashMap<String, Arc<RootCertStore>>>);

impl TlsTrust {
    fn roots(&self, ca_pem: &str) -> Outcome<Arc<RootCertStore>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roots) = known.get(ca_pem) {
            return Ok(Arc::clone(roots));
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            let certificate = certificate.map_err(|e| unusable("ca.pem", &e))?;
            roots.add(certificate).map_err(|e| unusable("ca.pem", &e))?;
        }
        let roots = Arc::new(roots);
        known.insert(ca_pem.to_owned(), Arc::clone(&roots));
        Ok(roots)
    }

    fn client_config(&self, device: &DeviceIdentity) -> Outcome<ClientConfig> {
        let chain = CertificateDer::pem_slice_iter(device.certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| unusable("device.pem", &e))?;
        let key = PrivateKeyDer::from_pem_slice(device.key_pem.as_bytes())
            .map_err(|e| unusable("device.key", &e))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable("TLS", &e))?
            .with_root_certificates(self.roots(&device.ca_pem)?)
            .with_client_auth_cert(chain, key)
            .map_err(|e| unusable("device.pem", &e))?;
        // A resumed session skips the certificate, and with it the revocation list.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn unusable(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::other(format!("{what} cannot be used: {why}"))
}

/// Prepares a connection; nothing is sent before [`drive`] runs.
pub(super) fn open(
    device: &DeviceIdentity,
    trust: &TlsTrust,
    will: LastWill,
    window: usize,
) -> Outcome<(AsyncClient, EventLoop)> {
    let about = &device.connection;
    let id = about.device_id.to_string();
    let mut options = MqttOptions::new(id.as_str(), (about.mqtt_host.as_str(), about.mqtt_port));
    // Beside the readings: status, subscriptions and reports.
    let places = u16::try_from(window).unwrap_or(u16::MAX / 2) + OTHERS_IN_FLIGHT;
    let tls = TlsConfiguration::Rustls(Arc::new(trust.client_config(device)?));
    // Without it a report waits 40 ms for the acknowledgement of the packet before it.
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options
        .set_transport(Transport::tls_with_config(tls))
        .set_network_options(network)
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_SECONDS))
        .set_max_packet_size(Some(LARGEST_PACKET))
        .set_last_will(will)
        // One write to the socket for what is ready at once.
        .set_max_request_batch(window.min(64))
        // The client keeps tables of this size; without a limit they take 18 MB for each device.
        .set_outgoing_inflight_upper_limit(places)
        .set_session_store(NothingInFlight { places });
    Ok(AsyncClient::builder(options).capacity(places.into()).build())
}

/// Keeps the connection for as long as the client exists or until it disconnects.
pub(super) async fn drive(mut events: EventLoop, happenings: UnboundedSender<Happening>) {
    // Nobody listens any more only while the last words are being sent.
    let tell = |happening| drop(happenings.send(happening));
    let mut pause = FIRST_PAUSE;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // From here on the session lives in this process; saving each step is not needed.
                events.options.clear_session_store();
                pause = FIRST_PAUSE;
                tell(Happening::Up);
            }
            Ok(Event::Incoming(Packet::Publish(message))) => tell(Happening::Message(message)),
            Ok(_) => {}
            Err(ConnectionError::RequestsDone) => return,
            Err(error) => {
                tell(Happening::Down(error.to_string()));
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Half to all of `pause`, so that a fleet does not come back in one moment.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [u8::MAX];
    // Without randomness it is the whole pause, which is only less polite.
    let _unspecified = aws_lc_rs::rand::fill(&mut byte).err();
    pause.mul_f64(0.5 + f64::from(byte[0]) / 510.0)
}

/// The truth about a process that has just begun: it has nothing of its own in flight, so it may
/// take up the session that the broker has kept, with the commands in it.
#[derive(Debug)]
struct NothingInFlight {
    /// As in the connection's options, or the client refuses to restore it.
    places: u16,
}

type Ready<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for NothingInFlight {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Ready<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(SESSION_SECONDS),
            outgoing_inflight_upper_limit: Some(self.places),
            ack_mode: PersistedAckMode::Automatic,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(Some(session))))
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Ready<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Ready<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// QoS of everything a device sends and asks for.
pub(super) const QOS: QoS = QoS::AtLeastOnce;
