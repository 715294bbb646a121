use serde::{Deserialize, Serialize};
use url::{Host, Url};
use yard_runtime::ConfigError;

use crate::secrets;

/// Passkeys belong to a domain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeysConfig {
    /// The domain; empty takes the console's host.
    pub rp_id: String,
    /// Where passkeys are shown; empty takes the console's origin.
    pub origins: Vec<String>,
}

/// Who passkeys are for: what the standard calls the relying party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelyingParty {
    pub(super) id: String,
    pub(super) id_hash: [u8; 32],
    pub(super) origins: Vec<String>,
}

impl PasskeysConfig {
    /// `None` where the console has no domain: browsers make no passkeys for an address.
    ///
    /// # Errors
    /// Names the option.
    pub(crate) fn resolve(&self, console_url: &str) -> Result<Option<RelyingParty>, ConfigError> {
        let console = Url::parse(console_url).ok().map(as_browsers_know_it);
        let own_domain = || console.as_ref().and_then(domain);
        let id = match self.rp_id.as_str() {
            "" => own_domain(),
            text => Some(registrable(text)?),
        };
        let Some(id) = id else {
            let problem = "needs passkeys.rp_id, or a console_url with a domain";
            let nothing = self.origins.is_empty();
            return nothing
                .then_some(None)
                .ok_or_else(|| ConfigError::new("passkeys.origins", problem));
        };
        let given: Vec<_> = match (self.origins.as_slice(), &console) {
            ([], Some(console)) => vec![console.as_str().trim_end_matches('/').to_owned()],
            (given, _) => given.to_vec(),
        };
        let origins = given.iter().map(|text| origin(text, &id)).collect::<Result<_, _>>()?;
        Ok(Some(RelyingParty { id_hash: secrets::sha256(&id), id, origins }))
    }
}

/// On a developer's machine the same port is reached by name.
fn as_browsers_know_it(mut url: Url) -> Url {
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    if here && url.set_host(Some("localhost")).is_err() {
        tracing::debug!("a console_url without a host");
    }
    url
}

fn domain(url: &Url) -> Option<String> {
    match url.host() {
        Some(Host::Domain(name)) => Some(name.to_owned()),
        _ => None,
    }
}

/// A domain, as browsers write it.
fn registrable(text: &str) -> Result<String, ConfigError> {
    let written = Url::parse(&format!("https://{text}")).ok();
    let same = written.as_ref().and_then(domain).filter(|name| name == text);
    same.ok_or_else(|| {
        ConfigError::new("passkeys.rp_id", "has to be a domain in lower-case ASCII, or empty")
    })
}

/// An origin under the domain, as browsers write it.
fn origin(text: &str, id: &str) -> Result<String, ConfigError> {
    let wrong = || {
        let rule = format!("{text:?} is not https://host[:port] under {id} as browsers write it");
        ConfigError::new("passkeys.origins", rule)
    };
    let url = Url::parse(text).map_err(|_malformed| wrong())?;
    let host = domain(&url).ok_or_else(wrong)?;
    let under = host == id || host.strip_suffix(id).is_some_and(|rest| rest.ends_with('.'));
    let here = url.scheme() == "http" && host == "localhost";
    let exact = url.origin().ascii_serialization() == text;
    if under && exact && (url.scheme() == "https" || here) {
        Ok(text.to_owned())
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(id: &str, origins: &[&str], console: &str) -> Result<Option<RelyingParty>, String> {
        let origins = origins.iter().map(|&text| text.to_owned()).collect();
        let config = PasskeysConfig { rp_id: id.to_owned(), origins };
        config.resolve(console).map_err(|problem| problem.to_string())
    }

    fn shown(id: &str, origins: &[&str], console: &str) -> (String, Vec<String>) {
        let rp = resolved(id, origins, console).unwrap().unwrap();
        assert_eq!(rp.id_hash, secrets::sha256(&rp.id));
        (rp.id, rp.origins)
    }

    #[test]
    fn console_s_address_is_enough() {
        let own = |origin: &str| vec![origin.to_owned()];
        let yard = ("yard.example".to_owned(), own("https://yard.example"));
        assert_eq!(shown("", &[], "https://yard.example"), yard);
        assert_eq!(shown("", &[], "https://yard.example/"), yard);
        assert_eq!(shown("", &[], "https://yard.example:443/"), yard);
        let port = own("https://yard.example:8443");
        assert_eq!(shown("", &[], "https://yard.example:8443").1, port);
        for here in ["http://localhost:8070", "http://127.0.0.1:8070", "http://[::1]:8070"] {
            let local = ("localhost".to_owned(), own("http://localhost:8070"));
            assert_eq!(shown("", &[], here), local);
        }
        assert_eq!(resolved("", &[], "https://192.0.2.7"), Ok(None));
    }

    #[test]
    fn domain_above_the_console_s_takes_origins_under_it() {
        let two = ["https://yard.example.org", "https://ops.example.org:8443"];
        let (id, origins) = shown("example.org", &two, "https://yard.example.org");
        assert_eq!((id.as_str(), origins.as_slice()), ("example.org", &two.map(str::to_owned)[..]));
        assert_eq!(
            shown("example.org", &[], "https://yard.example.org").1,
            ["https://yard.example.org".to_owned()]
        );
        let given = ["https://yard.example.org"];
        assert_eq!(
            shown("yard.example.org", &given, "https://192.0.2.7").1,
            given.map(str::to_owned)
        );
    }

    #[test]
    fn what_browsers_would_refuse_is_refused_at_the_start() {
        let console = "https://yard.example.org";
        for id in ["192.0.2.7", "Example.org", "example.org/", "a b", "https://x", "bücher.example"]
        {
            let problem = resolved(id, &[], console).unwrap_err();
            assert!(problem.contains("passkeys.rp_id"), "{problem}");
        }
        for origin in [
            "http://yard.example.org",
            "https://yard.example.org/",
            "https://yard.example.org:443",
            "https://Yard.example.org",
            "https://notexample.org",
            "https://example.org.evil",
            "https://example.com",
            "https://192.0.2.7",
            "null",
            "",
        ] {
            let problem = resolved("example.org", &[origin], console).unwrap_err();
            assert!(problem.contains("passkeys.origins"), "{problem}");
        }
        assert!(resolved("other.example", &[], console).is_err());
        assert!(resolved("", &["https://yard.example"], "https://192.0.2.7").is_err());
    }
}
