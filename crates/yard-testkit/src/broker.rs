//! A Mosquitto for one test, with that test's own certificates.

use std::path::{Path, PathBuf};

use yard_stack::{Mosquitto, ServerHome};

use crate::stack::TestStack;

/// A running broker that demands client certificates.
#[derive(Debug)]
pub struct TestBroker {
    // Dropped first: the broker, then its data.
    server: Mosquitto,
    home: ServerHome,
}

impl TestBroker {
    /// Starts the broker with `device-ca.pem`, `device-crl.pem`, `broker.pem` and `broker.key` of
    /// the folder `pki`.
    ///
    /// # Panics
    /// When a file is missing or the broker does not start.
    pub async fn start(pki: &Path) -> Self {
        let pki = pki.to_owned();
        tokio::task::spawn_blocking(move || {
            let home = ServerHome::for_tests().expect("a temporary folder can be made");
            let stack = TestStack::shared();
            let plugin = stack.broker_plugin();
            let server = Mosquitto::start(stack.tools(), &home, &pki, plugin);
            let server = server.expect("mosquitto starts with our plugin");
            Self { server, home }
        })
        .await
        .expect("the starting thread ends")
    }

    /// The TLS port on localhost.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Where the broker reads its revocation list; an agent may write there.
    #[must_use]
    pub fn list_file(&self) -> PathBuf {
        self.server.list_file()
    }

    /// Where the broker writes its process id.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.server.pid_file()
    }

    /// Makes the broker read the revocation list of the PKI folder again.
    ///
    /// # Panics
    /// When the list cannot be read.
    pub fn refresh_crl(&self) {
        self.server.refresh_crl(&self.home).expect("the revocation list can be read");
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn kill(&mut self) {
        self.server.process().kill().expect("our own child can be killed");
    }

    /// Starts it again on the same port and data.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.server.process().start_again().expect("mosquitto starts again");
    }
}
