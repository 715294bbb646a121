//! The configuration of FreeRADIUS 3.2 as the edge of auth (ADR 0045): a stock server that decides
//! nothing. From templates, without I/O and without dependencies; `yard radius configure` writes it for
//! operators, `yard-stack` for tests.

mod check;
mod fill;

use std::fmt::Write as _;
use std::net::IpAddr;

pub use check::Unusable;
use fill::fill;

/// What a RADIUS server is told.
#[derive(Debug, Clone)]
pub struct RadiusServer {
    /// The folder with these files, absolute.
    pub folder: String,
    /// The folder with FreeRADIUS' modules; Debian's is `/usr/lib/freeradius`.
    pub modules: String,
    /// auth's listener for it, `http://127.0.0.1:1880`.
    pub auth_url: String,
    /// What it proves itself with there: 32 to 128 letters, digits, `-` and `_`.
    pub token: String,
    /// Where NAS ask.
    pub listen: IpAddr,
    /// The UDP port; 1812 by RFC 2865.
    pub port: u16,
    /// Networks that NAS may ask from, `10.0.0.0/8`; everybody else is not even looked up.
    pub networks: Vec<String>,
    /// Seconds after which a NAS is looked up again.
    pub client_lifetime: u32,
    /// Seconds that a refusal is held back.
    pub reject_delay: u8,
    /// The UDP port on 127.0.0.1 of Status-Server (RFC 5997).
    pub status_port: u16,
    /// The secret there, of the token's form.
    pub status_secret: String,
    /// The operator's private enterprise number: then NAS are told the tenant, by attribute 1.
    pub vendor: Option<u32>,
}

impl RadiusServer {
    /// The files by name. All hold secrets: they are for the server's account alone.
    ///
    /// # Errors
    /// Names what would mean something else in the configuration.
    pub fn files(&self) -> Result<Vec<(&'static str, String)>, Unusable> {
        self.check()?;
        let (vendor, send) = self.vendor();
        let port = self.port.to_string();
        let listen = self.listen.to_string();
        let (status_port, reject_delay) =
            (self.status_port.to_string(), self.reject_delay.to_string());
        let main = [
            ("libdir", self.modules.as_str()),
            ("folder", &self.folder),
            ("reject_delay", &reject_delay),
        ];
        let rest = [("auth", self.auth_url.as_str()), ("token", &self.token)];
        let family = if self.listen.is_ipv4() { "ipv4addr" } else { "ipv6addr" };
        let site = [
            ("family", family),
            ("listen", listen.as_str()),
            ("port", &port),
            ("status_port", &status_port),
            ("status_secret", &self.status_secret),
            ("send_tenant", send),
        ];
        let networks = self.networks();
        Ok(vec![
            ("radiusd.conf", fill(include_str!("../templates/radiusd.conf"), &main)),
            ("rest.conf", fill(include_str!("../templates/rest.conf"), &rest)),
            ("site.conf", fill(include_str!("../templates/site.conf"), &site)),
            (
                "clients.conf",
                fill(include_str!("../templates/clients.conf"), &[("networks", networks.as_str())]),
            ),
            (
                "dictionary",
                fill(include_str!("../templates/dictionary"), &[("vendor", vendor.as_str())]),
            ),
            // For radclient, which asks the server how it is.
            ("status.request", "Message-Authenticator = 0x00\n".to_owned()),
        ])
    }

    fn networks(&self) -> String {
        let lifetime = self.client_lifetime.to_string();
        let mut text = String::new();
        for (number, network) in (1_u32..).zip(&self.networks) {
            let number = number.to_string();
            let values = [
                ("number", number.as_str()),
                ("network", network.as_str()),
                ("lifetime", lifetime.as_str()),
            ];
            let one = fill(include_str!("../templates/network.conf"), &values);
            writeln!(text, "{one}").expect("writing to a string cannot fail");
        }
        text
    }

    /// The vendor's part of the dictionary, and what puts the tenant into an answer.
    fn vendor(&self) -> (String, &'static str) {
        let Some(vendor) = self.vendor else { return Default::default() };
        let number = vendor.to_string();
        let part = include_str!("../templates/vendor.dictionary");
        let send = "update reply {\n\t\t\t&Switchyard-Tenant-ID := &control:Tenant-ID\n\t\t}";
        (fill(part, &[("vendor_number", number.as_str())]), send)
    }
}
