use std::net::IpAddr;

use tonic::metadata::MetadataMap;
use yard_authn::audit::{CLIENT_ADDRESS, USER_AGENT};
use yard_limits::Network;

/// Longest name of a program that is kept, bytes.
const LONGEST: usize = 32;

/// Where somebody signs in from, as the gateway tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    source: Option<IpAddr>,
    agent: String,
}

impl Client {
    pub(crate) fn of(metadata: &MetadataMap) -> Self {
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
        Self {
            source: text(CLIENT_ADDRESS).and_then(|text| text.parse().ok()),
            agent: describe(text(USER_AGENT).unwrap_or_default()),
        }
    }

    /// The full address; never stored with a session.
    pub(crate) const fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// What it calls itself, in a few words: enough for its owner to know it again.
    pub(crate) fn agent(&self) -> &str {
        &self.agent
    }

    /// The network it is in, coarse: /24, or /48 with IPv6.
    pub(crate) fn network(&self) -> String {
        let coarse = |from: IpAddr| Network::of(from, if from.is_ipv4() { 24 } else { 48 });
        self.source.map(|from| coarse(from).to_string()).unwrap_or_default()
    }
}

/// Browsers name each other for the sake of old pages, so the order counts.
fn describe(agent: &str) -> String {
    let first = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg/", "Edge"),
        ("EdgA/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => program(agent),
    }
}

/// The name before the first slash or blank, if it looks like one.
fn program(agent: &str) -> String {
    let name = agent.split(['/', ' ']).next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.len() <= LONGEST && name.bytes().all(plain) { name.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_told_in_a_few_words() {
        let linux = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like \
                    Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
                     (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        for (agent, words) in [
            (linux, "Firefox on Linux"),
            (edge, "Edge on Windows"),
            (phone, "Safari on iOS"),
            ("yard/0.1.0", "yard"),
            ("curl/8.5.0", "curl"),
            ("", ""),
            ("<script>alert(1)</script>", ""),
            (&"x".repeat(33), ""),
        ] {
            assert_eq!(describe(agent), words, "{agent}");
        }
    }

    #[test]
    fn network_is_coarse() {
        let from = |text: &str| Client { source: text.parse().ok(), agent: String::new() };
        assert_eq!(from("203.0.113.77").network(), "203.0.113.0/24");
        assert_eq!(from("2001:db8:1:2:3::4").network(), "2001:db8:1::/48");
        assert_eq!(from("nowhere").network(), "");
    }
}
