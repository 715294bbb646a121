use http::{HeaderMap, header};

use super::COOKIE;

/// What a request says of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A browser's cookie, which it sends by itself, also for other sites' pages.
    Cookie(String),
    /// `Authorization: Bearer`, which only a program sends.
    Bearer(String),
    /// An `Authorization` that is not ours.
    Foreign,
}

impl Credential {
    /// `Authorization` goes before the cookie: who sends it means it.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            return match token.filter(|token| is_session_token(token) || is_program_token(token)) {
                Some(token) => Self::Bearer(token.to_owned()),
                None => Self::Foreign,
            };
        }
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).map(str::trim);
        let token = pairs.find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='));
        token.filter(|t| !t.is_empty()).map_or(Self::None, |t| Self::Cookie(t.to_owned()))
    }
}

/// The shape of an API token. A cookie never holds one: it would be sent for other sites' pages.
fn is_api_token(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.starts_with("ypt_") && text.len() <= 128 && text.bytes().all(letter)
}

/// The shape of an access token of an OAuth client: three parts of base64url.
fn is_client_token(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let parts = text.bytes().filter(|b| *b == b'.').count() == 2;
    text.starts_with("eyJ") && text.len() <= 4_096 && parts && text.bytes().all(letter)
}

/// The shape of what programs show instead of a session; never in a cookie.
pub(super) fn is_program_token(text: &str) -> bool {
    is_api_token(text) || is_client_token(text)
}

/// The shape of a session token; anything else need not be asked about.
pub(super) fn is_session_token(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.starts_with("yst_") && text.len() <= 128 && text.bytes().all(letter)
}
