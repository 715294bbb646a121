//! Mosquitto: the broker devices connect to, with required client certificates.
//!
//! Persistence: the in-memory database is written every second, so a killed broker loses at most
//! what it had accepted within that second and not yet handed to device-ingest (a few milliseconds'
//! worth while ingest keeps up). A device that cannot bear that waits for the storage receipt.
//!
//! It loads our plugin (`crates/yard-broker-plugin`), which refuses and counts what devices may not
//! touch and ends connections of revoked devices; without it the broker is not started.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ServerHome, private_file};
use crate::error::{Doing, Result, StackError};
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Ready, Signal};
use crate::tools::Tools;

/// The common name of device-ingest's client certificate, as its access rules name it.
pub const DEVICE_INGEST_IDENTITY: &str = "device-ingest-1";

const CA: &str = "device-ca.pem";
const CRL: &str = "device-crl.pem";
const PLUGIN: &str = "yard-broker-plugin.so";
const PID: &str = "mosquitto.pid";
const KEY_FILES: [&str; 4] = [CA, CRL, "broker.pem", "broker.key"];

/// A running Mosquitto.
#[derive(Debug)]
pub struct Mosquitto {
    process: Process,
    port: PortLease,
    dir: PathBuf,
    pki: PathBuf,
    tls: PathBuf,
}

impl Mosquitto {
    /// Starts the broker below `home` with the key material in `pki`: `device-ca.pem`,
    /// `device-crl.pem`, `broker.pem`, `broker.key`, and with the plugin's file. All are copied,
    /// because the broker's account cannot read the originals.
    pub fn start(tools: &Tools, home: &ServerHome, pki: &Path, plugin: &Path) -> Result<Self> {
        Self::launch(tools, home, pki, Some(plugin))
    }

    /// As [`Mosquitto::start`], without the plugin: only to measure what the plugin costs. Nothing
    /// is counted and nobody can be disconnected.
    pub fn start_bare(tools: &Tools, home: &ServerHome, pki: &Path) -> Result<Self> {
        Self::launch(tools, home, pki, None)
    }

    fn launch(tools: &Tools, home: &ServerHome, pki: &Path, plugin: Option<&Path>) -> Result<Self> {
        let dir = home.folder("mosquitto")?;
        let tls = home.folder("mosquitto/tls")?;
        for name in KEY_FILES {
            copy(home, pki, &tls, name)?;
        }
        let port = PortLease::any()?;
        private_file(home, &dir.join("acl"), &access_rules())?;
        let mut settings = settings(&port, &dir, &tls);
        if let Some(plugin) = plugin {
            let read = fs::read(plugin).doing(|| format!("read {}", plugin.display()))?;
            home.write(&dir.join(PLUGIN), &read)?;
            settings.push_str(&plugin_settings(&dir, &tls));
        }
        let file = dir.join("mosquitto.conf");
        private_file(home, &file, &settings)?;
        let ready = Ready::Tcp(port.addr());
        let mut spec = ProcessSpec::new("mosquitto", &tools.mosquitto, &dir, ready)
            .args(["-c".into(), file.into_os_string()]);
        spec.run_as = home.run_as().cloned();
        let process = Process::start(spec)?;
        Ok(Self { process, port, dir, pki: pki.to_owned(), tls })
    }

    /// The TLS port on 127.0.0.1; the server certificate names `localhost`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// Where the broker reads its revocation list; `yard broker-agent` keeps it fresh.
    #[must_use]
    pub fn list_file(&self) -> PathBuf {
        self.tls.join(CRL)
    }

    /// Where the broker writes its process id.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.dir.join(PID)
    }

    /// Takes the revocation list from the PKI folder again. Returns false, without disturbing the
    /// broker, when it has not changed. New connections are checked against it at once; those
    /// already open stay.
    pub fn refresh_crl(&self, home: &ServerHome) -> Result<bool> {
        let (wanted, current) = (self.pki.join(CRL), self.tls.join(CRL));
        let read = |path: &Path| fs::read(path).doing(|| format!("read {}", path.display()));
        if read(&wanted)? == read(&current)? {
            return Ok(false);
        }
        copy(home, &self.pki, &self.tls, CRL)?;
        self.process.signal(Signal::Hangup)?;
        Ok(true)
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn copy(home: &ServerHome, from: &Path, to: &Path, name: &'static str) -> Result<()> {
    let path = from.join(name);
    let content = fs::read(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => StackError::NoFile { what: name, path: path.clone() },
        _ => StackError::Io { doing: format!("read {}", path.display()), source },
    })?;
    home.write(&to.join(name), &content)
}

fn settings(port: &PortLease, dir: &Path, tls: &Path) -> String {
    let (dir, tls) = (dir.display(), tls.display());
    format!(
        "per_listener_settings false\nallow_anonymous false\nacl_file {dir}/acl\n\
         pid_file {dir}/{PID}\n\
         log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\n\
         log_timestamp_format %Y-%m-%dT%H:%M:%S\nconnection_messages true\nsys_interval 10\n\
         set_tcp_nodelay true\n\
         persistence true\npersistence_location {dir}/\nautosave_interval 1\n\
         # A window wide enough for a fleet behind one shared subscription.\n\
         max_inflight_messages 2000\n\
         # Bounded by bytes, not by count: 256 MiB for each session that is away.\n\
         max_queued_messages 0\nmax_queued_bytes 268435456\n\
         # Above the 256 KiB rule, so that a payload that breaks it gets a verdict from us.\n\
         max_packet_size 1048576\n\
         listener {} 127.0.0.1\n\
         cafile {tls}/{CA}\ncrlfile {tls}/{CRL}\ncertfile {tls}/broker.pem\n\
         keyfile {tls}/broker.key\ntls_version tlsv1.2\nrequire_certificate true\n\
         use_identity_as_username true\nuse_username_as_clientid true\n",
        port.port()
    )
}

/// `log_dest topic` is how the plugin hears of refused certificates; it delivers none of it.
fn plugin_settings(dir: &Path, tls: &Path) -> String {
    let (dir, tls) = (dir.display(), tls.display());
    format!(
        "log_dest topic\nplugin {dir}/{PLUGIN}\n\
         plugin_opt_ingest_identities {DEVICE_INGEST_IDENTITY}\n\
         plugin_opt_crl_file {tls}/{CRL}\n"
    )
}

/// A device may speak only under its own uuid (`%u`, from its certificate), device-ingest hears
/// everything and speaks to every device.
fn access_rules() -> String {
    let mut rules = format!("user {DEVICE_INGEST_IDENTITY}\ntopic read device/#\n");
    for topic in ["command", "config", "error", "receipt"] {
        rules.push_str(&format!("topic write device/+/{topic}\n"));
    }
    // The plugin's reports, the log as it reads it, and the place for wishes.
    rules.push_str("topic read $yard/v1/#\ntopic read $SYS/broker/log/#\n");
    rules.push_str("topic write $CONTROL/yard/v1\n\n");
    for topic in ["telemetry", "status", "error", "command/ack"] {
        rules.push_str(&format!("pattern write device/%u/{topic}\n"));
    }
    for topic in ["command", "config", "error", "receipt"] {
        rules.push_str(&format!("pattern read device/%u/{topic}\n"));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_rules_let_a_device_write_only_below_its_own_name() {
        let rules = access_rules();
        let writes: Vec<_> = rules.lines().filter(|l| l.starts_with("pattern write")).collect();
        assert_eq!(writes.len(), 4);
        assert!(writes.iter().all(|line| line.starts_with("pattern write device/%u/")));
        assert!(!rules.contains("readwrite"));
    }

    #[test]
    fn nobody_but_device_ingest_is_granted_what_the_plugin_tells_and_takes() {
        let rules = access_rules();
        let (ingest, devices) = rules.split_once("\n\n").unwrap();
        assert!(ingest.starts_with("user device-ingest-1\n"));
        assert!(ingest.contains("$yard/") && ingest.contains("$CONTROL/"));
        assert!(!devices.contains('$') && !devices.contains("topic "));
    }
}
