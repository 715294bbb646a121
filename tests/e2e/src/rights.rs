//! One tenant's roles, departments, positions and overrides, and an administrator who came in.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use yard_authn::TENANT_PERMISSIONS;
use yard_ids::{Clock as _, SystemClock};
use yard_testkit::eventually;

use crate::client::Client;
use crate::world::text;

/// What the matrix asks about.
#[derive(Debug)]
pub struct Rights {
    /// Key of an own role.
    pub role: String,
    /// One that nobody has.
    pub spare_role: String,
    /// A department with a position.
    pub department_id: String,
    /// An empty one.
    pub spare_department_id: String,
    /// A position that the viewer holds.
    pub position_id: String,
    /// One that nobody holds.
    pub spare_position_id: String,
    /// The viewer's.
    pub assignment_id: String,
    /// Three that the administrator asked for.
    pub overrides: Vec<String>,
    /// An entry that is over.
    pub break_glass_id: String,
    /// This time tomorrow.
    pub tomorrow: String,
}

/// Fills a tenant; `inside` is in it afterwards, by break-glass.
///
/// # Errors
/// At the first call that fails.
pub async fn build(
    owner: &Client,
    inside: &Client,
    tenant: &str,
    viewer_id: &str,
    canary: &str,
) -> anyhow::Result<Rights> {
    for role in ["night-shift", "spare"] {
        let body = json!({
            "role": role, "name": role, "description": canary, "permissions": ["devices.read"],
        });
        owner.expect("POST", "/api/v1/roles", Some(&body)).await?;
    }
    let department_id = department(owner, canary).await?;
    let position_id = position(owner, &department_id, "Engineer").await?;
    let path = format!("/api/v1/positions/{position_id}/assignments");
    let body = json!({"principal_id": viewer_id});
    let assignment_id = text(&owner.expect("POST", &path, Some(&body)).await?, "assignment_id")?;

    let tomorrow = (SystemClock.now() + time::Duration::DAY).truncate_to_second();
    let tomorrow = tomorrow.format(&Rfc3339)?;
    enter(inside, tenant, &TENANT_PERMISSIONS).await?;
    let mut overrides = Vec::new();
    for _ in 0..3 {
        let body = json!({
            "principal_id": viewer_id, "permission": "devices.control",
            "effect": "OVERRIDE_EFFECT_ALLOW", "scope": "GRANT_SCOPE_TENANT", "reason": canary,
            "expires_at": tomorrow,
        });
        let made = inside.expect("POST", "/api/v1/overrides", Some(&body)).await?;
        overrides.push(text(&made, "override_id")?);
    }
    let left = inside.expect("DELETE", "/api/v1/me/break-glass", None).await?;
    role_is(inside, "system-administrator").await;
    enter(inside, tenant, &[]).await?;
    Ok(Rights {
        role: "night-shift".to_owned(),
        spare_role: "spare".to_owned(),
        spare_department_id: department(owner, "Spare").await?,
        spare_position_id: position(owner, &department_id, "Spare").await?,
        department_id,
        position_id,
        assignment_id,
        overrides,
        break_glass_id: text(&left, "break_glass_id")?,
        tomorrow,
    })
}

async fn department(owner: &Client, name: &str) -> anyhow::Result<String> {
    let made = owner.expect("POST", "/api/v1/departments", Some(&json!({"name": name}))).await?;
    text(&made, "department_id")
}

async fn position(owner: &Client, department: &str, title: &str) -> anyhow::Result<String> {
    let body = json!({
        "department_id": department, "title": title, "duty_from": "SEVERITY_WARNING",
    });
    text(&owner.expect("POST", "/api/v1/positions", Some(&body)).await?, "position_id")
}

/// Enters a tenant by break-glass and waits until the gateway has noticed.
///
/// # Errors
/// When it is refused.
pub async fn enter(
    administrator: &Client,
    tenant: &str,
    permissions: &[&str],
) -> anyhow::Result<Value> {
    let body = json!({
        "tenant_id": tenant, "reason": "to see how it is", "permissions": permissions,
    });
    let entry = administrator.expect("POST", "/api/ops/v1/break-glass", Some(&body)).await;
    let entry = entry.context("enter a tenant")?;
    role_is(administrator, "break-glass").await;
    Ok(entry)
}

/// Waits until a session has a role.
pub async fn role_is(client: &Client, role: &str) {
    eventually(Duration::from_secs(3), || async {
        let me = client.expect("GET", "/api/v1/me", None).await.ok()?;
        (me.get("role")?.as_str()? == role).then_some(())
    })
    .await;
}
