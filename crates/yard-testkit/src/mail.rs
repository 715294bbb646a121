//! A mail server for one test, and what arrived there.

use std::path::PathBuf;
use std::time::Duration;

use yard_stack::{Letter, Mail, MailTls, ServerHome};

use crate::eventually::eventually;
use crate::stack::TestStack;

/// Mail is on its way for moments only; auth looks every five seconds at what nobody told it of.
const SOON: Duration = Duration::from_secs(30);

/// Where mails of tests say that the console is.
pub const CONSOLE: &str = "https://yard.test";

/// What stands behind `#` in the link of a mail, which is the same in both of its parts.
///
/// # Panics
/// When there is no link, or not one and the same.
#[must_use]
pub fn link_token(letter: &Letter) -> String {
    // In HTML a slash may be written as a reference.
    let text = letter.text().replace("&#x2f;", "/");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let token = |rest: &str| rest.chars().take_while(|c| plain(*c)).collect::<String>();
    let links = text.split(CONSOLE).filter_map(|part| part.strip_prefix('/')?.split_once('#'));
    let tokens: Vec<String> = links.map(|(_page, rest)| token(rest)).collect();
    assert!(matches!(tokens.as_slice(), [one, two] if one == two && one.len() == 43), "{text}");
    tokens.into_iter().next().unwrap_or_default()
}

/// A running mail server that only this test uses.
#[derive(Debug)]
pub struct TestMail {
    // Dropped first: the server, then its data.
    server: Mail,
    _home: ServerHome,
}

impl TestMail {
    /// Starts the server, without TLS.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::start_with(MailTls::Off).await
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(tls: MailTls) -> Self {
        tokio::task::spawn_blocking(move || {
            let home = ServerHome::for_tests().expect("a temporary folder can be made");
            let tools = TestStack::shared().tools();
            let server = Mail::start(tools, &home, &tls).expect("the mail server starts");
            Self { server, _home: home }
        })
        .await
        .expect("the starting thread ends")
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The folder with one file for each mail.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.server.folder()
    }

    /// Everything that has arrived for an address so far.
    ///
    /// # Panics
    /// When the folder cannot be read.
    #[must_use]
    pub fn to(&self, address: &str) -> Vec<Letter> {
        let letters = self.server.letters().expect("the mail folder can be read");
        letters.into_iter().filter(|letter| letter.header("X-RcptTo") == address).collect()
    }

    /// Waits until as many have arrived for an address, and gives them in the order of their
    /// `Message-ID`, which grows with time.
    pub async fn await_to(&self, address: &str, count: usize) -> Vec<Letter> {
        let mut letters = eventually(SOON, || async {
            let letters = self.to(address);
            if letters.len() >= count { Ok(letters) } else { Err(letters) }
        })
        .await;
        letters.sort_by_key(|letter| letter.header("Message-ID"));
        letters
    }

    /// Ends the server's process; what comes meanwhile is not taken.
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
        self.server.process().start_again().expect("the mail server starts again");
    }
}
