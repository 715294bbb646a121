use std::path::Path;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::{Host, Url};
use yard_runtime::{ConfigError, Secret};

use super::MailConfig;

const OPTION: &str = "mail.smtp_url";

/// The mail server.
#[derive(Clone)]
pub(super) struct Transport(AsyncSmtpTransport<Tokio1Executor>);

/// How the server ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    Taken,
    /// It may be taken later; a number of the server's, or what went wrong on the way.
    Later(String),
    /// It will never be taken.
    Refused(String),
}

/// Where a mail server is and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    host: String,
    port: u16,
    guard: Guard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// TLS from the first byte.
    Whole,
    /// STARTTLS, or nothing is said.
    StartTls,
    /// None; on this machine only.
    Plain,
}

impl Transport {
    /// Says nothing to the server yet.
    ///
    /// # Errors
    /// Names the option.
    pub(super) fn open(url: &Secret, config: &MailConfig) -> Result<Self, ConfigError> {
        let (server, credentials) = read(url)?;
        let tls = match server.guard {
            Guard::Plain => Tls::None,
            Guard::StartTls => Tls::Required(parameters(&server.host, &config.ca_file)?),
            Guard::Whole => Tls::Wrapper(parameters(&server.host, &config.ca_file)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
            .port(server.port)
            .timeout(Some(config.timeout))
            .tls(tls);
        if let Some(credentials) = credentials {
            builder = builder.credentials(credentials);
        }
        Ok(Self(builder.build()))
    }

    /// Hands a message over. What the server says is not repeated, because it repeats addresses.
    pub(super) async fn send(&self, message: Message, within: Duration) -> Delivery {
        let error = match tokio::time::timeout(within, self.0.send(message)).await {
            Ok(Ok(_taken)) => return Delivery::Taken,
            Ok(Err(error)) => error,
            Err(_elapsed) => return Delivery::Later("no answer in time".to_owned()),
        };
        let status = error.status().map(|code| code.to_string());
        // What the server says of our sign-in says nothing of the mail.
        let ours = matches!(status.as_deref(), Some("530" | "534" | "535" | "538"));
        if error.is_permanent() && !ours {
            return Delivery::Refused(status.unwrap_or_default());
        }
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_tls() {
            "TLS failed"
        } else if error.is_response() || error.is_client() {
            "not understood"
        } else {
            "not reachable"
        };
        Delivery::Later(status.unwrap_or_else(|| what.to_owned()))
    }
}

/// Whether a URL can be used.
///
/// # Errors
/// Names the option, never the URL: it holds a password.
pub(super) fn check(url: &Secret) -> Result<(), ConfigError> {
    read(url).map(|_| ())
}

fn read(url: &Secret) -> Result<(Server, Option<Credentials>), ConfigError> {
    let wrong = |what: &str| ConfigError::new(OPTION, what.to_owned());
    let url = Url::parse(url.expose()).map_err(|_e| wrong("is no URL"))?;
    let (guard, usual) = match url.scheme() {
        "smtps" => (Guard::Whole, 465),
        "smtp" => (Guard::StartTls, 587),
        "smtp+plain" => (Guard::Plain, 25),
        _ => return Err(wrong("has to begin with smtps://, smtp:// or smtp+plain://")),
    };
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("is a scheme, a host and a port, and nothing behind"));
    }
    if guard == Guard::Plain && !is_loopback(host) {
        return Err(wrong("may be smtp+plain:// only to this machine"));
    }
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, Some(password)) if !user.is_empty() => {
            let text = |part: &str| {
                percent(part).ok_or_else(|| wrong("has a user or password that is not UTF-8"))
            };
            Some(Credentials::new(text(user)?, text(password)?))
        }
        _ => return Err(wrong("has to have both a user and a password, or neither")),
    };
    let server = Server {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(usual),
        guard,
    };
    Ok((server, credentials))
}

/// Schemes that `url` does not know keep their host as it was written.
fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

fn percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The system's roots, or those of a file alone.
fn parameters(host: &str, ca_file: &Path) -> Result<TlsParameters, ConfigError> {
    let option = "mail.ca_file";
    let wrong = |e: String| ConfigError::new(option, format!("{}: {e}", ca_file.display()));
    let mut builder = TlsParameters::builder(host.to_owned());
    if !ca_file.as_os_str().is_empty() {
        let pem = std::fs::read(ca_file).map_err(|e| wrong(e.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|e| wrong(e.to_string()))?;
        builder = builder
            .certificate_store(lettre::transport::smtp::client::CertificateStore::None)
            .add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|e| ConfigError::new(OPTION, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<(Server, Option<Credentials>), String> {
        read(&Secret::new(url.to_owned())).map_err(|e| e.to_string())
    }

    #[test]
    fn scheme_says_how_the_server_is_spoken_to() {
        let of = |url: &str| server(url).map(|(s, _)| (s.host, s.port, s.guard));
        let host = || "mail.example.org".to_owned();
        assert_eq!(of("smtps://mail.example.org"), Ok((host(), 465, Guard::Whole)));
        assert_eq!(of("smtp://mail.example.org"), Ok((host(), 587, Guard::StartTls)));
        assert_eq!(of("smtp://mail.example.org:25/"), Ok((host(), 25, Guard::StartTls)));
        let here = ("127.0.0.1".to_owned(), 2525, Guard::Plain);
        assert_eq!(of("smtp+plain://127.0.0.1:2525"), Ok(here));
        assert!(of("smtp+plain://localhost").is_ok() && of("smtp+plain://[::1]").is_ok());
        let (_, credentials) = server("smtp://us%40er:p%3Ass@mail.example.org").unwrap();
        let known = Credentials::new("us@er".to_owned(), "p:ss".to_owned());
        assert_eq!(credentials, Some(known));
    }

    #[test]
    fn url_that_would_send_in_the_clear_or_is_none_is_refused_without_being_shown() {
        for url in [
            "smtp+plain://mail.example.org",
            "smtp+plain://127.0.0.1.example.org",
            "http://mail.example.org",
            "smtp://",
            "mail.example.org",
            "smtp://mail.example.org/path",
            "smtp://mail.example.org?tls=none",
            "smtp://hunter2@mail.example.org",
            "smtp://:hunter2@mail.example.org",
            "smtp://user:hunter2%zz@mail.example.org",
        ] {
            let refused = server(url).map(|_| ()).unwrap_err();
            assert!(refused.contains("mail.smtp_url") && !refused.contains("hunter2"), "{refused}");
        }
    }
}
