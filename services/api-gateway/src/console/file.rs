use std::path::Path;
use std::{fs, io};

use aws_lc_rs::digest;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// A file in memory, with its compressed forms where the build made some.
pub(super) struct StaticFile {
    kind: HeaderValue,
    plain: Form,
    /// Best first.
    compressed: Vec<(&'static str, Form)>,
}

struct Form {
    content: Bytes,
    /// Of the content itself: the same time and size do not make the same file.
    etag: HeaderValue,
}

impl StaticFile {
    pub(super) fn load(dir: &Path, name: &str) -> io::Result<Self> {
        let plain = Form::of(fs::read(dir.join(name))?);
        let mut compressed = Vec::new();
        for (coding, end) in [("br", ".br"), ("gzip", ".gz")] {
            let path = dir.join(format!("{name}{end}"));
            if path.is_file() {
                compressed.push((coding, Form::of(fs::read(path)?)));
            }
        }
        Ok(Self { kind: kind_of(name), plain, compressed })
    }

    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let coded = self.compressed.iter().find(|(coding, _)| accepts(request, coding));
        let form = coded.map_or(&self.plain, |(_, form)| form);
        let known = request.get_all(header::IF_NONE_MATCH).into_iter().any(|v| form.is(v));
        let mut response = if known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(form.content.clone()))
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, form.etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if !known {
            headers.insert(header::CONTENT_TYPE, self.kind.clone());
            if let Some((coding, _)) = coded {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
        }
        response
    }
}

impl Form {
    fn of(content: Vec<u8>) -> Self {
        let hash = digest::digest(&digest::SHA256, &content);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash));
        let etag = HeaderValue::try_from(etag).expect("base64 and quotes make a header value");
        Self { content: content.into(), etag }
    }

    fn is(&self, tags: &HeaderValue) -> bool {
        let own = self.etag.to_str().unwrap_or_default();
        let tags = tags.to_str().unwrap_or_default().split(',').map(str::trim);
        tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == own || tag == "*")
    }
}

/// Whether a request takes a content coding.
fn accepts(request: &HeaderMap, coding: &str) -> bool {
    let lines =
        request.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let refused = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && refused != Some(0.0)
    })
}

fn kind_of(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    })
}
