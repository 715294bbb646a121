//! Realtime apps of a tenant, as the matrix needs them.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::client::Client;
use crate::world::text;

/// Apps, each for what can be done with it once.
#[derive(Debug)]
pub struct Realtime {
    /// Has one secret; another can be added.
    pub app_id: String,
    /// Has two.
    pub rotating_id: String,
    /// One of the two.
    pub secret_id: String,
    /// Nobody needs it.
    pub spare_id: String,
}

/// Makes them.
///
/// # Errors
/// At the first call that fails.
pub(crate) async fn build(owner: &Client, canary: &str) -> anyhow::Result<Realtime> {
    let app_id = app(owner, canary).await?;
    let (rotating_id, spare_id) = (app(owner, canary).await?, app(owner, canary).await?);
    let path = format!("/api/v1/realtime-apps/{rotating_id}/secrets");
    let added = owner.expect("POST", &path, Some(&json!({}))).await?;
    Ok(Realtime { app_id, rotating_id, secret_id: text(&added, "secret_id")?, spare_id })
}

async fn app(owner: &Client, name: &str) -> anyhow::Result<String> {
    let wish: Value = json!({"name": name});
    let made = owner.expect("POST", "/api/v1/realtime-apps", Some(&wish)).await?;
    text(made.get("app").context("app")?, "app_id")
}
