//! Realtime apps of a tenant, as the matrix needs them.

use anyhow::Context as _;
use serde_json::{Value, json};
use yard_testkit::TestDb;

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
    /// A confirmed message of the first.
    pub message_id: String,
}

/// Makes them.
///
/// # Errors
/// At the first call that fails.
pub(crate) async fn build(owner: &Client, db: &TestDb, canary: &str) -> anyhow::Result<Realtime> {
    let app_id = app(owner, canary).await?;
    let (rotating_id, spare_id) = (app(owner, canary).await?, app(owner, canary).await?);
    let path = format!("/api/v1/realtime-apps/{rotating_id}/secrets");
    let added = owner.expect("POST", &path, Some(&json!({}))).await?;
    let secret_id = text(&added, "secret_id")?;
    let message_id = message(db, &app_id, canary).await;
    Ok(Realtime { app_id, rotating_id, secret_id, spare_id, message_id })
}

/// A confirmed message, as if the app's server had published it.
async fn message(db: &TestDb, app_id: &str, canary: &str) -> String {
    let written = format!(
        "with sequence as ( \
           insert into platform.realtime_sequences (tenant_id, app, channel, seq, spoken_at) \
           select tenant_id, number, 'private-orders', 1, now() from platform.realtime_apps \
           where number = {app_id} returning id, tenant_id, app, channel, seq), \
         message as ( \
           insert into platform.realtime_messages (id, tenant_id, sequence, app, channel, seq, \
             event, data, level, sender, created_at, expires_at) \
           select gen_random_uuid(), tenant_id, id, app, channel, seq, 'order', '{canary}', 'app', \
             'app:' || app, now(), now() + interval '1 day' from sequence \
           returning id, tenant_id, sequence, seq, expires_at) \
         insert into platform.realtime_receipts \
           (message_id, user_id, tenant_id, sequence, seq, expires_at, state) \
         select id, '{canary}', tenant_id, sequence, seq, expires_at, 'queued' from message \
         returning message_id"
    );
    db.sql(&written).await.trim().to_owned()
}

async fn app(owner: &Client, name: &str) -> anyhow::Result<String> {
    let wish: Value = json!({"name": name});
    let made = owner.expect("POST", "/api/v1/realtime-apps", Some(&wish)).await?;
    text(made.get("app").context("app")?, "app_id")
}
