//! A FreeRADIUS for one test, and a NAS that asks it.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use yard_stack::{Radius, ServerHome};

use crate::stack::TestStack;

/// A running RADIUS server in front of an auth.
#[derive(Debug)]
pub struct TestRadius {
    // Dropped first: the server, then its data.
    server: Radius,
    _home: ServerHome,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RadiusAnswer {
    /// Access-Accept, with its attributes as `Name = value`.
    Accept(Vec<String>),
    /// Access-Reject.
    Reject(Vec<String>),
    /// Nothing within the second that was waited.
    Silence,
}

impl TestRadius {
    /// Starts it; see [`Radius::start`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(auth: SocketAddr, token: &str, vendor: Option<u32>) -> Self {
        let token = token.to_owned();
        tokio::task::spawn_blocking(move || {
            let home = ServerHome::for_tests().expect("a temporary folder can be made");
            let tools = TestStack::shared().radius().expect("FreeRADIUS is there");
            let server = Radius::start(&tools, &home, (auth, &token), vendor);
            Self { server: server.expect("FreeRADIUS starts"), _home: home }
        })
        .await
        .expect("the starting thread ends")
    }

    /// Asks once, as the NAS at `from` (an address of 127.0.0.0/8) with this secret, by `attributes` of
    /// FreeRADIUS' dictionary. A Message-Authenticator is among them only if they say so.
    ///
    /// # Panics
    /// When radclient does not run, or says what it never says.
    pub async fn ask(&self, from: &str, secret: &str, attributes: &[(&str, &str)]) -> RadiusAnswer {
        let mut request = format!("Packet-Src-IP-Address = {from}\n");
        for (name, value) in attributes {
            request.push_str(&format!("{name} = {value}\n"));
        }
        let mut child = Command::new(self.server.client())
            .args(["-x", "-r", "1", "-t", "1", "-f", "-"])
            .args([&self.server.addr().to_string(), "auth", secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("radclient runs");
        let mut input = child.stdin.take().expect("its input is ours");
        input.write_all(request.as_bytes()).await.expect("radclient reads");
        drop(input);
        let output = child.wait_with_output().await.expect("radclient ends");
        let text = [output.stdout, output.stderr].concat();
        read(&String::from_utf8_lossy(&text))
    }
}

/// Reads what `radclient -x` prints.
#[expect(clippy::panic, reason = "what cannot be read fails the test")]
fn read(said: &str) -> RadiusAnswer {
    let Some((_, received)) = said.split_once("\nReceived ") else {
        assert!(said.contains("No reply from server"), "radclient says: {said}");
        return RadiusAnswer::Silence;
    };
    let lines = received.lines().skip(1).take_while(|line| line.starts_with('\t'));
    let attributes = lines.map(|line| line.trim().to_owned()).collect();
    match received.split(' ').next() {
        Some("Access-Accept") => RadiusAnswer::Accept(attributes),
        Some("Access-Reject") => RadiusAnswer::Reject(attributes),
        _ => panic!("radclient says: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_radclient_are_read() {
        let sent = "Sent Access-Request Id 1 from 127.0.0.2:1 to 127.0.0.1:2 length 3\n\tUser-Name = \"a\"";
        let accept = format!(
            "{sent}\nReceived Access-Accept Id 1 from x to y length 9\n\tA = 1\n\tB = \"c\"\n"
        );
        let attributes = vec!["A = 1".to_owned(), "B = \"c\"".to_owned()];
        assert_eq!(read(&accept), RadiusAnswer::Accept(attributes));
        let reject =
            format!("{sent}\nReceived Access-Reject Id 1 from x to y length 9\n(0) -: Expected …");
        assert_eq!(read(&reject), RadiusAnswer::Reject(Vec::new()));
        let silence = format!("{sent}\n(0) No reply from server for ID 1 socket 3\n");
        assert_eq!(read(&silence), RadiusAnswer::Silence);
    }
}
