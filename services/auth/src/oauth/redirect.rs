//! Where a browser may be sent with a code.

const LONGEST: usize = 512;
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Whether an address may be registered.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(uri: &str) -> Result<(), &'static str> {
    if uri.len() > LONGEST {
        return Err("is longer than 512 bytes");
    }
    let odd = |b: u8| !b.is_ascii_graphic() || b"#*\\\"<>^`{|}".contains(&b);
    if uri.is_empty() || uri.bytes().any(odd) {
        return Err("holds a fragment, a wildcard or a character that no URI has");
    }
    if let Some(rest) = uri.strip_prefix("https://") {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.split(':').next().unwrap_or_default();
        let plain = !host.is_empty() && !authority.contains('@');
        let parsed = uri.parse::<axum::http::Uri>().is_ok();
        return if plain && parsed { Ok(()) } else { Err("names no host, or more than a host") };
    }
    if uri.starts_with("http://") {
        return match loopback(uri) {
            Some(_) => Ok(()),
            None => Err("is http and not of 127.0.0.1 or [::1]"),
        };
    }
    let scheme = uri.split_once(":/").map(|(scheme, _)| scheme).unwrap_or_default();
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    let first = scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if first && scheme.bytes().all(letter) && scheme.contains('.') {
        return Ok(());
    }
    Err("is neither https, loopback, nor of a scheme with a dot in it")
}

/// Whether an address is the registered one: character by character, but for the port of a loopback
/// address, which an application gets when it asks for one (RFC 8252 section 7.3).
pub(super) fn matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    match (loopback(registered), loopback(asked)) {
        (Some(registered), Some(asked)) => asked.len_ok && registered.same(&asked),
        _ => false,
    }
}

/// A loopback address without its port.
struct Loopback<'u> {
    host: &'static str,
    rest: &'u str,
    len_ok: bool,
}

impl Loopback<'_> {
    fn same(&self, other: &Loopback<'_>) -> bool {
        self.host == other.host && self.rest == other.rest
    }
}

fn loopback(uri: &str) -> Option<Loopback<'_>> {
    let (host, rest) =
        LOOPBACK.iter().find_map(|host| uri.strip_prefix(host).map(|rest| (*host, rest)))?;
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(ported) => {
            let end = ported.find(['/', '?']).unwrap_or(ported.len());
            let (port, rest) = ported.split_at_checked(end)?;
            let digits = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
            port.parse::<u16>().ok().filter(|_| digits)?;
            rest
        }
    };
    let whole = rest.is_empty() || rest.starts_with('/') || rest.starts_with('?');
    whole.then_some(Loopback { host, rest, len_ok: uri.len() <= LONGEST })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_may_be_registered_by_its_kind() {
        for good in [
            "https://app.example/cb",
            "https://app.example:8443/cb?tenant=1",
            "https://app.example",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:8400/cb",
            "http://[::1]/",
            "com.example.app:/cb",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("https://app.example/{}", "x".repeat(493));
        for bad in [
            "",
            "https://",
            "https:///cb",
            "https://user@app.example/cb",
            "https://app.example/#x",
            "https://*.example/cb",
            "https://app.example/a b",
            "http://app.example/cb",
            "http://localhost/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1@evil.example/cb",
            "javascript:alert(1)",
            "data:/text",
            "app:/cb",
            "Com.Example:/cb",
            "com.example.app:cb",
            long.as_str(),
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(long.get(..512).unwrap()).is_ok());
    }

    #[test]
    fn address_is_compared_exactly_but_for_a_loopback_port() {
        let one = "http://127.0.0.1/cb";
        for same in [one, "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
            assert!(matches(one, same), "{same}");
            assert!(matches("http://127.0.0.1:8400/cb", same), "{same}");
        }
        for other in [
            "http://127.0.0.1/cb/",
            "http://127.0.0.1/cb?x=1",
            "http://[::1]/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:08400/cb",
            "http://127.0.0.1:+80/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1:/cb",
            "https://127.0.0.1/cb",
            "http://localhost/cb",
        ] {
            assert!(!matches(one, other), "{other}");
        }
        assert!(!matches("https://app.example/cb", "https://app.example:443/cb"));
        assert!(!matches("https://app.example/cb", "https://app.example/cb?x"));
        assert!(!matches("https://app.example/cb", "https://APP.example/cb"));
    }
}
