use serde::Serialize;

/// What runs here; answered at `/build`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BuildInfo {
    pub(crate) service: &'static str,
    pub(crate) version: &'static str,
    /// One per process start.
    pub(crate) instance: String,
}
