//! The server that is measured: where it is, and how its app signs.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use clap::Args;
use md5::{Digest as _, Md5};

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// Where the server listens, for sockets and for calls.
    #[arg(long)]
    pub(super) address: SocketAddr,
    /// Its process, whose processor time and memory are read.
    #[arg(long)]
    pub(super) pid: u32,
    /// The app's public key.
    #[arg(long, default_value = "switchyard")]
    app_key: String,
    /// The app's number.
    #[arg(long, default_value_t = 1)]
    app_id: u64,
    /// File with the app's secret.
    #[arg(long)]
    secret_file: PathBuf,
}

/// The app, with its secret.
#[derive(Debug)]
pub(super) struct App {
    key: String,
    id: u64,
    secret: hmac::Key,
}

impl Target {
    pub(super) fn app(&self) -> Result<App> {
        let secret = std::fs::read_to_string(&self.secret_file).context("read the app's secret")?;
        Ok(App::new(&self.app_key, self.app_id, secret.trim_end()))
    }
}

impl App {
    pub(super) fn new(key: &str, id: u64, secret: &str) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Self { key: key.to_owned(), id, secret }
    }

    /// The opening handshake of a socket.
    pub(super) fn handshake(&self, address: SocketAddr) -> String {
        format!(
            "GET /app/{}?protocol=7&client=yard-bench HTTP/1.1\r\nHost: {address}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.key
        )
    }

    /// The wish of a socket to join a channel, signed where that needs it.
    pub(super) fn subscribe(&self, socket: &str, channel: &str) -> String {
        let auth = if channel.starts_with("private-") {
            let signature = self.sign(&format!("{socket}:{channel}"));
            format!(r#","auth":"{}:{signature}""#, self.key)
        } else {
            String::new()
        };
        format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}"{auth}}}}}"#)
    }

    /// A call of the HTTP API that publishes, `now` in seconds since 1970.
    pub(super) fn publish(&self, address: SocketAddr, body: &str, now: i64) -> String {
        let path = format!("/apps/{}/events", self.id);
        let md5 = hex(&Md5::digest(body.as_bytes()));
        let query =
            format!("auth_key={}&auth_timestamp={now}&auth_version=1.0&body_md5={md5}", self.key);
        let signature = self.sign(&format!("POST\n{path}\n{query}"));
        format!(
            "POST {path}?{query}&auth_signature={signature} HTTP/1.1\r\nHost: {address}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn sign(&self, text: &str) -> String {
        hex(hmac::sign(&self.secret, text.as_bytes()).as_ref())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_is_signed_as_pushers_documents_have_it() {
        let app = App::new("278d425bdf160c739803", 3, "7ad3773142a6692b25b8");
        let signature = "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        let wish = app.subscribe("1234.1234", "private-foobar");
        assert!(wish.contains(&format!(r#""auth":"278d425bdf160c739803:{signature}""#)), "{wish}");
        assert!(!app.subscribe("1234.1234", "foobar").contains("auth"));
    }

    #[test]
    fn call_is_signed_as_pushers_documents_have_it() {
        let app = App::new("278d425bdf160c739803", 3, "7ad3773142a6692b25b8");
        let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        let call = app.publish(([127, 0, 0, 1], 1).into(), body, 1_353_088_179);
        let signature = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
        assert!(call.contains(&format!("&auth_signature={signature} HTTP/1.1")), "{call}");
    }
}
