//! NAS and subscribers of a tenant, as the matrix needs them.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::client::Client;
use crate::world::text;

/// Each for what can be done with it once.
#[derive(Debug)]
pub struct Radius {
    /// A NAS.
    pub nas_id: String,
    /// Nobody needs it.
    pub spare_nas_id: String,
    /// A subscriber.
    pub subscriber_id: String,
    /// Nobody needs them.
    pub spare_subscriber_id: String,
}

/// Makes them, in a network of the tenant's own: an address is one NAS of the whole platform.
///
/// # Errors
/// At the first call that fails.
pub(crate) async fn build(owner: &Client, canary: &str, slug: &str) -> anyhow::Result<Radius> {
    let network = if slug == "a" { "198.51.100" } else { "203.0.113" };
    Ok(Radius {
        nas_id: nas(owner, canary, &format!("{network}.1")).await?,
        spare_nas_id: nas(owner, &format!("{canary} too"), &format!("{network}.2")).await?,
        subscriber_id: subscriber(owner, canary).await?,
        spare_subscriber_id: subscriber(owner, &format!("{canary} too")).await?,
    })
}

async fn nas(owner: &Client, name: &str, address: &str) -> anyhow::Result<String> {
    let wish: Value = json!({"name": name, "address": address});
    let made = owner.expect("POST", "/api/v1/radius/nas", Some(&wish)).await?;
    text(made.get("nas").context("nas")?, "nas_id")
}

async fn subscriber(owner: &Client, user_name: &str) -> anyhow::Result<String> {
    let wish: Value = json!({"user_name": user_name});
    let made = owner.expect("POST", "/api/v1/radius/subscribers", Some(&wish)).await?;
    text(made.get("subscriber").context("subscriber")?, "subscriber_id")
}
