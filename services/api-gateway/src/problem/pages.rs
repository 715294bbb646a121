//! `/errors/{code}`: what the `type` of a problem refers to.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};
use yard_fault::Code;

/// The page of a code, or of all codes for an empty text.
pub(crate) fn page(code: &str) -> Option<Response> {
    let html = if code.is_empty() { index() } else { of_code(Code::from_text(code)?) };
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Some(response)
}

/// Codes and titles are our own constants without any character that HTML would read.
fn of_code(code: Code) -> String {
    let class = code.class();
    let again = if class.is_retryable() {
        "The same call may succeed later."
    } else {
        "The same call will fail again."
    };
    frame(
        code.as_str(),
        &format!(
            "<h1>{}</h1>\n<p>{}</p>\n<p>HTTP status {}. {again}</p>\n<p><a href=\"/errors\">All codes</a></p>",
            code.as_str(),
            code.title(),
            class.http_status(),
        ),
    )
}

fn index() -> String {
    let mut rows = String::from("<h1>Errors</h1>\n<dl>\n");
    for code in Code::ALL {
        let (text, title) = (code.as_str(), code.title());
        rows.push_str(&format!("<dt><a href=\"/errors/{text}\">{text}</a></dt><dd>{title}</dd>\n"));
    }
    rows.push_str("</dl>");
    frame("Errors", &rows)
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n{body}\n</body>\n</html>\n"
    )
}
