use std::collections::HashSet;
use std::sync::Arc;

use http::{HeaderMap, Uri, header};
use yard_runtime::ConfigError;

/// Origins of other sites whose pages may call us.
#[derive(Debug, Clone)]
pub(crate) struct Origins(Arc<HashSet<String>>);

impl Origins {
    /// Reads `http.allowed_origins`. `*` and everything that is no origin is refused.
    pub(crate) fn parse(list: &[String]) -> Result<Self, ConfigError> {
        let refuse = |text: &str, why| {
            Err(ConfigError::new("http.allowed_origins", format!("{text:?} {why}")))
        };
        for text in list {
            if text.contains('*') {
                return refuse(text, "would let every site read what only this person may see");
            }
            let uri = text.parse::<Uri>().ok();
            let origin = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
            let same = origin.is_some_and(|(scheme, host)| format!("{scheme}://{host}") == *text);
            if !same || !(text.starts_with("http://") || text.starts_with("https://")) {
                return refuse(text, "is no origin (scheme://host[:port])");
            }
        }
        Ok(Self(Arc::new(list.iter().cloned().collect())))
    }

    /// Another site's origin, where it is allowed.
    pub(crate) fn listed<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        origin(headers).filter(|origin| self.0.contains(*origin))
    }

    /// Whether a request comes from an allowed origin, our own host, or says nothing of it.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) {
            return true;
        }
        let Some(origin) = origin(headers) else {
            return false;
        };
        let host = headers.get(header::HOST).and_then(|v| v.to_str().ok());
        let own = origin.split_once("://").map(|(_, authority)| authority);
        self.0.contains(origin) || (host.is_some() && own == host)
    }
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_and_what_is_no_origin_refuse_to_start() {
        for text in ["*", "https://*.example", "example", "https://a.example/", "ftp://a", "null"] {
            let refused = Origins::parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(refused.contains("http.allowed_origins"), "{text}: {refused}");
        }
        assert!(Origins::parse(&["https://a.example:8443".to_owned()]).is_ok());
    }
}
