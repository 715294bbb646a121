use std::collections::HashSet;
use std::sync::Arc;

use http::{HeaderMap, Uri, header};
use yard_runtime::ConfigError;

/// Origins of other sites whose pages may call us, and how to tell our own.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    listed: Arc<HashSet<String>>,
    https: bool,
}

impl Origins {
    /// Reads `http.allowed_origins`. `*` and everything that is no origin is refused.
    /// Behind HTTPS, our own origin and all others are of HTTPS: a page that came without could be
    /// anybody's.
    pub(crate) fn parse(list: &[String], https: bool) -> Result<Self, ConfigError> {
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
            // Apps on a phone serve their pages from there.
            let here = origin.is_some_and(|(_, host)| host.host() == "localhost");
            if https && text.starts_with("http://") && !here {
                return refuse(text, "is a page without HTTPS, which could be anybody's");
            }
        }
        Ok(Self { listed: Arc::new(list.iter().cloned().collect()), https })
    }

    /// Another site's origin, where it is allowed.
    pub(crate) fn listed<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        origin(headers).filter(|origin| self.listed.contains(*origin))
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
        let own = origin.split_once("://").filter(|(scheme, _)| *scheme == "https" || !self.https);
        let own = own.map(|(_, authority)| authority);
        self.listed.contains(origin) || (host.is_some() && own == host)
    }

    /// Whether answers differ by who asks.
    pub(crate) fn any(&self) -> bool {
        !self.listed.is_empty()
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
            let refused = Origins::parse(&[text.to_owned()], false).unwrap_err().to_string();
            assert!(refused.contains("http.allowed_origins"), "{text}: {refused}");
        }
        assert!(Origins::parse(&["https://a.example:8443".to_owned()], false).is_ok());
    }

    #[test]
    fn own_origin_behind_https_is_one_of_https() {
        let admits = |https: bool, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "yard.example".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            Origins::parse(&["https://shop.example".to_owned()], https).unwrap().admits(&headers)
        };
        assert!(admits(true, "https://yard.example"));
        assert!(!admits(true, "http://yard.example"));
        assert!(admits(false, "http://yard.example"));
        assert!(admits(true, "https://shop.example"));
        for foreign in
            ["https://yard.example.evil", "https://yard.example:8443", "null", "https://"]
        {
            assert!(!admits(true, foreign), "{foreign}");
        }
    }
}
