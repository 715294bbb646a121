//! The built console: a shell that is always asked for anew, and assets that never change.

mod file;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;
use yard_fault::{Code, Fault};
use yard_runtime::ConfigError;

use file::StaticFile;

const SHELL: &str = "index.html";
/// Assets have a hash of their content in their name.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// See the module. Everything but the assets is read at start: a file's time and size, of which
/// `ServeDir` makes its tags, can stay the same while its content changes.
#[derive(Clone)]
pub(crate) struct Console {
    files: Arc<HashMap<String, StaticFile>>,
    assets: ServeDir,
}

impl Console {
    /// Reads a built console; `None` for an empty path.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, ConfigError> {
        if dir.as_os_str().is_empty() {
            return Ok(None);
        }
        let refuse = |problem: String| ConfigError::new("console.dir", problem);
        let names = top_level(dir).map_err(|e| refuse(format!("{}: {e}", dir.display())))?;
        let mut files = HashMap::new();
        for name in names {
            let file = StaticFile::load(dir, &name).map_err(|e| refuse(format!("{name}: {e}")))?;
            files.insert(name, file);
        }
        if !files.contains_key(SHELL) {
            return Err(refuse(format!("{} holds no {SHELL}", dir.display())));
        }
        let assets = ServeDir::new(dir.join("assets"))
            .append_index_html_on_directories(false)
            .precompressed_br()
            .precompressed_gzip();
        Ok(Some(Self { files: Arc::new(files), assets }))
    }

    /// Answers with a file, or with the shell for what the console's own router knows.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Response, Fault> {
        if climbs(path) {
            return Err(Code::RouteNotFound.into());
        }
        if let Some(asset) = path.strip_prefix("/assets/") {
            return self.asset(method, asset, headers).await;
        }
        let name = path.strip_prefix('/').filter(|name| self.files.contains_key(*name));
        let file = self.files.get(name.unwrap_or(SHELL));
        Ok(file.ok_or(Code::RouteNotFound)?.answer(headers))
    }

    async fn asset(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Response, Fault> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers.clone();
        *request.uri_mut() = format!("/{path}").parse().map_err(|_e| Code::RouteNotFound)?;
        let Ok(response) = self.assets.clone().oneshot(request).await;
        let served = response.status().is_success()
            || matches!(
                response.status(),
                StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED
            );
        if !served {
            return Err(Code::RouteNotFound.into());
        }
        let mut response = response.map(Body::new);
        response.headers_mut().insert(header::CACHE_CONTROL, IMMUTABLE);
        Ok(response)
    }
}

/// Files beside the shell; compressed forms belong to the file they are made of.
fn top_level(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let compressed = [".br", ".gz"].iter().any(|end| name.ends_with(end));
        if entry.file_type()?.is_file() && !name.starts_with('.') && !compressed {
            names.push(name);
        }
    }
    Ok(names)
}

/// Paths with a hidden or a parent folder in them, however they are spelled.
fn climbs(path: &str) -> bool {
    let path =
        path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    path.split(['/', '\\']).any(|part| part.starts_with('.')) || path.contains("%00")
}
