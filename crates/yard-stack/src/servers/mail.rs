//! A mail server that keeps what it is given: nothing leaves the machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ServerHome, private_file};
use crate::error::{Doing, Result};
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Ready};
use crate::tools::Tools;

/// How the server guards its connections.
#[derive(Debug, Clone)]
pub enum MailTls {
    /// Not at all.
    Off,
    /// By STARTTLS, which it insists on; certificate and key, PEM.
    StartTls(PathBuf, PathBuf),
    /// From the first byte; certificate and key, PEM.
    Whole(PathBuf, PathBuf),
}

/// A running mail server.
#[derive(Debug)]
pub struct Mail {
    process: Process,
    port: PortLease,
    folder: PathBuf,
}

/// A mail that arrived: its head and body as they came, lines ended by a line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub head: String,
    pub body: String,
}

impl Mail {
    /// Starts the server; mails become files below `home`.
    pub fn start(tools: &Tools, home: &ServerHome, tls: &MailTls) -> Result<Self> {
        let dir = home.folder("mail")?;
        private_file(home, &dir.join("catcher.py"), include_str!("catcher.py"))?;
        let (port, folder) = (PortLease::any()?, dir.join("letters"));
        let listen = port.addr().to_string();
        let mut args: Vec<String> =
            ["-m", "aiosmtpd", "--nosetuid", "--listen", &listen].map(str::to_owned).to_vec();
        let mut files = |certificate: &str, key: &str, paths: [&Path; 2]| {
            for (option, path) in [certificate, key].iter().zip(paths) {
                args.extend([(*option).to_owned(), path.display().to_string()]);
            }
        };
        match tls {
            MailTls::Off => {}
            MailTls::StartTls(certificate, key) => {
                files("--tlscert", "--tlskey", [certificate, key]);
            }
            MailTls::Whole(certificate, key) => {
                files("--smtpscert", "--smtpskey", [certificate, key]);
            }
        }
        args.extend(["--class".to_owned(), "catcher.Catcher".to_owned()]);
        args.push(folder.display().to_string());
        let mut spec =
            ProcessSpec::new("mail", &tools.python, &dir, Ready::Tcp(port.addr())).args(args);
        let modules = format!("{}:{}", tools.mail_modules.display(), dir.display());
        // Nothing is compiled into folders that are not ours.
        spec.env = vec![
            ("PYTHONPATH".to_owned(), modules),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ];
        Ok(Self { process: Process::start(spec)?, port, folder })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// The folder with one file for each mail.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.join("new")
    }

    /// What has arrived, in no order.
    pub fn letters(&self) -> Result<Vec<Letter>> {
        let folder = self.folder();
        let files = fs::read_dir(&folder).doing(|| format!("read {}", folder.display()))?;
        let mut letters = Vec::new();
        for file in files.flatten() {
            let text = fs::read(file.path()).doing(|| "read a mail".into())?;
            letters.push(parse(&String::from_utf8_lossy(&text)));
        }
        Ok(letters)
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Letter {
    /// The value of a header, unfolded; empty without it.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let mut found = String::new();
        let mut inside = false;
        for line in self.head.lines() {
            if line.starts_with([' ', '\t']) {
                if inside {
                    found.push_str(line);
                }
                continue;
            }
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            inside = found.is_empty() && key.eq_ignore_ascii_case(name);
            if inside {
                found.push_str(value.trim());
            }
        }
        found
    }

    /// The body with its quoted-printable undone: text as people read it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(self.body.len());
        let mut rest = self.body.as_bytes();
        while let Some((first, more)) = rest.split_first() {
            rest = more;
            match (first, more) {
                (b'=', [b'\n', tail @ ..]) => rest = tail,
                (b'=', [high, low, tail @ ..]) if hex(*high, *low).is_some() => {
                    bytes.extend(hex(*high, *low));
                    rest = tail;
                }
                _ => bytes.push(*first),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn parse(text: &str) -> Letter {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    Letter { head: head.to_owned(), body: body.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_is_taken_apart_and_its_headers_unfolded() {
        let letter = parse("Subject: one\r\n two\r\nTo: ann@example.org\r\n\r\nText\r\n");
        assert_eq!(letter.header("subject"), "one two");
        assert_eq!(letter.header("To"), "ann@example.org");
        assert_eq!(letter.header("Bcc"), "");
        assert_eq!(letter.body, "Text\n");
    }

    #[test]
    fn quoted_printable_is_undone_and_what_is_none_stays() {
        let letter = parse("A: b\n\nGr=C3=BC=C3=9Fe, a =\nlong line; 1=2 =3Dx=\n");
        assert_eq!(letter.text(), "Grüße, a long line; 1=2 =x");
    }
}
