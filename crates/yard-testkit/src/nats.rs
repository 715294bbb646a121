//! A NATS server for one test: it starts in milliseconds, so nothing is shared.

use yard_stack::{Nats, ServerHome, Tools};

use crate::papers::TestPapers;
use crate::stack::TestStack;

/// A running NATS server with JetStream that only this test uses.
#[derive(Debug)]
pub struct TestNats {
    // Dropped first: the server, then its data.
    server: Nats,
    _home: ServerHome,
}

impl TestNats {
    /// Starts the server.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::launch(|tools, home| Nats::start(tools, home, "nats")).await
    }

    /// Starts the server for clients that speak TLS and no others.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_encrypted(papers: &TestPapers) -> Self {
        let tls = papers.tls().clone();
        Self::launch(move |tools, home| Nats::start_encrypted(tools, home, "nats", &tls)).await
    }

    async fn launch<S>(start: S) -> Self
    where
        S: FnOnce(&Tools, &ServerHome) -> yard_stack::Result<Nats> + Send + 'static,
    {
        tokio::task::spawn_blocking(|| {
            let home = ServerHome::for_tests().expect("a temporary folder can be made");
            let server = start(TestStack::shared().tools(), &home).expect("nats-server starts");
            Self { server, _home: home }
        })
        .await
        .expect("the starting thread ends")
    }

    /// The connection string, with user and password.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Connects a client.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn client(&self) -> async_nats::Client {
        let server: async_nats::ServerAddr = self.url().parse().expect("our own URL is one");
        // The client does not take user and password from the URL by itself.
        let (user, password) = (server.username(), server.password());
        let secret = password.unwrap_or_default().to_owned();
        async_nats::ConnectOptions::new()
            .user_and_password(user.unwrap_or_default().to_owned(), secret)
            .connect(server)
            .await
            .expect("the test's own NATS answers")
    }

    /// Writes a value into a key-value bucket that a service has made.
    ///
    /// # Panics
    /// When the bucket is not there.
    pub async fn put(&self, bucket: &str, key: &str, value: &str) {
        let jetstream = async_nats::jetstream::new(self.client().await);
        let bucket = jetstream.get_key_value(bucket).await.expect("the bucket is there");
        bucket.put(key, value.to_owned().into()).await.expect("the broker takes the value");
    }

    /// `kill -9`. Acknowledged messages stay on the disk.
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
        self.server.process().start_again().expect("nats-server starts again");
    }
}
