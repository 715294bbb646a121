//! A numbered Redis database for one test.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};
use yard_stack::process::Process;
use yard_stack::{Redis, ServerHome};

use crate::papers::TestPapers;
use crate::stack::TestStack;

// The client counts databases in a byte; number 0 holds the counter. A number comes again when 254
// others were taken since: its test is over by then.
const NUMBERED: u64 = 255;

/// An empty database of the shared Redis that no other running test uses.
#[derive(Debug)]
pub struct TestRedis {
    url: String,
    // Before what it stands on.
    own: Option<(Redis, ServerHome)>,
}

impl TestRedis {
    /// Takes the next database and empties it.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub async fn create() -> Self {
        let made = tokio::task::spawn_blocking(|| Self::take(&TestStack::shared().redis_url));
        made.await.expect("the asking thread ends").expect("the shared Redis answers")
    }

    /// A Redis of its own, by TLS.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_encrypted(papers: &TestPapers) -> Self {
        let tls = papers.tls().clone();
        tokio::task::spawn_blocking(move || {
            let home = ServerHome::for_tests().expect("a temporary folder can be made");
            let tools = TestStack::shared().tools();
            let server = Redis::start_encrypted(tools, &home, &tls).expect("Redis starts");
            let url = server.encrypted_url(0).expect("it was started with TLS");
            Self { url, own: Some((server, home)) }
        })
        .await
        .expect("the starting thread ends")
    }

    /// A Redis of its own, which can be killed.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_own() -> Self {
        tokio::task::spawn_blocking(|| {
            let home = ServerHome::for_tests().expect("a temporary folder can be made");
            let server = Redis::start(TestStack::shared().tools(), &home).expect("Redis starts");
            Self { url: server.url(0), own: Some((server, home)) }
        })
        .await
        .expect("the starting thread ends")
    }

    /// `kill -9`. What was written in the last second may be lost.
    ///
    /// # Panics
    /// When it is the shared one.
    pub fn kill(&mut self) {
        self.own_process().kill().expect("our own child can be killed");
    }

    /// Starts it again on the same port and data.
    ///
    /// # Panics
    /// When it is the shared one, or does not start.
    pub fn start_again(&mut self) {
        self.own_process().start_again().expect("Redis starts again");
    }

    fn own_process(&mut self) -> &mut Process {
        let (server, _home) = self.own.as_mut().expect("a Redis of this test's own");
        server.process()
    }

    /// Says commands to the server, for what a test wants to be otherwise.
    ///
    /// # Panics
    /// When Redis does not take them.
    pub async fn say(&self, commands: &str) {
        let (url, commands) = (self.url.clone(), commands.to_owned());
        let said = tokio::task::spawn_blocking(move || {
            let (address, password) = address_and_password(&url)?;
            ask(address, &format!("AUTH {password}\r\n{commands}\r\n"))
        });
        said.await.expect("the asking thread ends").expect("Redis takes the commands");
    }

    /// The connection string, with password and database number.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Forgets everything, as a server that lost its memory.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub async fn lose_everything(&self) {
        let url = self.url.clone();
        let emptied = tokio::task::spawn_blocking(move || {
            let (server, database) = url.rsplit_once('/').context("a database in the URL")?;
            empty(server, database)
        });
        emptied.await.expect("the asking thread ends").expect("the shared Redis answers");
    }

    fn take(server: &str) -> Result<Self> {
        let (address, password) = address_and_password(server)?;
        let counted = ask(address, &format!("AUTH {password}\r\nINCR test:database\r\n"))?;
        let count = counted.lines().find_map(|line| line.strip_prefix(':')?.parse::<u64>().ok());
        let database = count.context("Redis counts")? % NUMBERED + 1;
        empty(server, &database.to_string())?;
        let base = server.trim_end_matches("/0");
        Ok(Self { url: format!("{base}/{database}"), own: None })
    }
}

fn address_and_password(server: &str) -> Result<(&str, &str)> {
    let (user, rest) = server.rsplit_once('@').context("a password in the URL")?;
    let password = user.rsplit(':').next().context("a password in the URL")?;
    let address = rest.split('/').next().context("an address in the URL")?;
    Ok((address, password))
}

fn empty(server: &str, database: &str) -> Result<()> {
    let (address, password) = address_and_password(server)?;
    ask(address, &format!("AUTH {password}\r\nSELECT {database}\r\nFLUSHDB\r\n")).map(drop)
}

/// Says `commands` to a server and returns all it answers; a refused one is an error.
pub(crate) fn ask(address: &str, commands: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(commands.as_bytes())?;
    stream.write_all(b"QUIT\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    anyhow::ensure!(!answer.lines().any(|line| line.starts_with('-')), "{answer}");
    Ok(answer)
}
