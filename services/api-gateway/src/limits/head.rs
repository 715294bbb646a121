use http::{HeaderMap, Uri, header};
use yard_fault::{Code, Fault};

use super::config::CapsConfig;

/// Refuses a request whose line or headers are larger than they may be.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap, caps: &CapsConfig) -> Result<(), Fault> {
    let url = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if url > caps.url_bytes {
        let text = format!("path and query may have {} bytes", caps.url_bytes);
        return Err(Fault::new(Code::RequestUriTooLong).with_public(text));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > caps.headers || bytes > caps.header_bytes {
        let text = format!(
            "a request may have {} headers of {} bytes together",
            caps.headers, caps.header_bytes
        );
        return Err(Fault::new(Code::RequestHeadersTooLarge).with_public(text));
    }
    encoding(headers)
}

/// Compressed bodies are refused: no client of ours sends any, and a few bytes of one can become
/// gigabytes.
fn encoding(headers: &HeaderMap) -> Result<(), Fault> {
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).into_iter().all(plain) {
        return Ok(());
    }
    let text = "compressed bodies are not taken; send it without Content-Encoding";
    Err(Fault::new(Code::RequestUnsupportedMediaType).with_public(text))
}
