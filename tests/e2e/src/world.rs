//! Two tenants with the same names for everything, and strings in each that the other must never
//! see.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use yard_ids::{IdSource as _, RandomIds};
use yard_testkit::{eventually, link_token};

use crate::client::Client;
use crate::factory::{Factory, factory};
use crate::platform::{PASSWORD, Platform};
use crate::radius::{self, Radius};
use crate::realtime::{self, Realtime};
use crate::rights::{self, Rights};

/// One tenant's people and things.
#[derive(Debug)]
pub struct Tenant {
    /// Its short name.
    pub slug: String,
    /// UUID.
    pub tenant_id: String,
    /// Holds every permission.
    pub owner: Client,
    /// Reads only.
    pub viewer: Client,
    /// The viewer's principal; they have signed in, so the audit trail knows them.
    pub viewer_id: String,
    /// The viewer's address.
    pub viewer_email: String,
    /// Everybody's password.
    pub password: String,
    /// A device with a certificate and a reading.
    pub device_id: String,
    /// Its contract.
    pub contract_id: String,
    /// A command to it.
    pub command_id: String,
    /// Commands that can be cancelled, one for each try.
    pub cancellable: Vec<String>,
    /// Certificates that can be revoked, one for each try.
    pub serials: Vec<String>,
    /// Devices that renewed too late: to be approved, and as many to be refused.
    pub late_devices: Vec<String>,
    /// A manufacturer's CA.
    pub factory: Factory,
    /// A request for a certificate.
    pub csr_pem: String,
    /// An API token of the owner's; ending it twice is ending it once.
    pub api_token_id: String,
    /// Roles, departments and what goes with them.
    pub rights: Rights,
    /// A system administrator who entered the tenant with a viewer's permissions.
    pub inside: Client,
    /// An OAuth client; deleting it twice is deleting it once.
    pub oauth_client_id: String,
    /// What such a client asks for, by a client that nobody deletes.
    pub authorization_query: String,
    /// An invitation that is open, and old enough to be sent again.
    pub invitation_id: String,
    /// A member whom nobody needs any more.
    pub dispensable_id: String,
    /// An identity provider, to which the owner is linked.
    pub identity_provider_id: String,
    /// Another; taking it away twice is taking it away once.
    pub spare_provider_id: String,
    /// The device's private channel.
    pub channel: String,
    /// Its realtime apps.
    pub realtime: Realtime,
    /// Its NAS and subscribers.
    pub radius: Radius,
    /// Texts that only this tenant may be shown.
    pub canaries: Vec<String>,
}

/// Both tenants, nobody, and a system administrator.
#[derive(Debug)]
pub struct World {
    /// One tenant.
    pub a: Tenant,
    /// The other.
    pub b: Tenant,
    /// No session.
    pub nobody: Client,
    /// A session in no tenant.
    pub administrator: Client,
}

impl World {
    /// Fills both tenants through the public interface.
    ///
    /// # Errors
    /// At the first call that fails.
    pub async fn build(platform: &Platform) -> anyhow::Result<Self> {
        let base = platform.base_url();
        Ok(Self {
            a: tenant(platform, "a").await?,
            b: tenant(platform, "b").await?,
            nobody: Client::anonymous(&base)?,
            administrator: Client::sign_in(&base, "ops@switchyard.test", PASSWORD).await?,
        })
    }
}

/// Things of a kind that can be used up, for as many tries.
pub const TRIES: usize = 6;

async fn tenant(platform: &Platform, slug: &str) -> anyhow::Result<Tenant> {
    let base = platform.base_url();
    let owner = Client::sign_in(&base, &format!("owner@{slug}.test"), PASSWORD).await?;
    let viewer_email = format!("viewer@{slug}.test");
    let viewer = Client::sign_in(&base, &viewer_email, PASSWORD).await?;
    let me = owner.expect("GET", "/api/v1/me", None).await?;
    let tenant_id = text(&me, "tenant_id")?;
    let viewer_id = text(&viewer.expect("GET", "/api/v1/me", None).await?, "principal_id")?;
    let canary = format!("canary-of-{slug}");

    let contract = json!({
        "name": "water meter", "version": 1,
        "telemetry_schema": {
            "type": "object", "required": ["flow_lps"], "additionalProperties": false,
            "properties": {"flow_lps": {"type": "number"}, "note": {"type": "string"}},
        },
        "metrics": [{"key": "flow_lps", "label": canary, "unit": "L/s"}],
        "commands": [{"name": "set_valve", "label": "Set valve", "arguments_schema": {
            "type": "object", "properties": {"position": {"type": "integer"}, "note": {"type": "string"}},
        }}],
    });
    let contract = owner.expect("POST", "/api/v1/contracts", Some(&contract)).await?;
    let contract_id = text(&contract, "contract_id")?;
    let device = json!({
        "name": "pump 1", "external_id": "SN-1", "contract_id": contract_id,
        "labels": {"site": canary},
    });
    let device = owner.expect("POST", "/api/v1/devices", Some(&device)).await?;
    let device_id = text(&device, "device_id")?;

    let mut serials = Vec::new();
    let mut enrolled = None;
    for _ in 0..TRIES {
        let made = platform.enroll(&owner, &device_id).await?;
        serials.push(made.serial.clone());
        enrolled = Some(made);
    }
    let enrolled = enrolled.context("a device was enrolled")?;
    platform.publish_reading(&device_id, &enrolled, &canary).await?;
    await_reading(&owner, &device_id).await?;

    let mut commands = Vec::new();
    for _ in 0..=TRIES {
        commands.push(send_command(&owner, &device_id, &canary).await?);
    }
    let command_id = commands.pop().context("a command was sent")?;
    let wish = json!({"name": "of the world", "abilities": ["devices.read"]});
    let made = owner.expect("POST", "/api/v1/me/api-tokens", Some(&wish)).await?;
    let api_token_id = text(made.get("token").context("token")?, "token_id")?;
    let inside = Client::sign_in(&base, "ops@switchyard.test", PASSWORD).await?;
    let rights = rights::build(&owner, &inside, &tenant_id, &viewer_id, &canary).await?;
    let oauth_client_id = oauth_client(&owner, &canary).await?;
    let authorization_query = authorization_query(&oauth_client(&owner, &canary).await?);
    let dispensable_id = let_in(platform, &owner, &format!("guest@{slug}.test")).await?;
    let open = json!({"email": format!("open@{slug}.test"), "role": "viewer"});
    let open = owner.expect("POST", "/api/v1/invitations", Some(&open)).await?;
    let invitation_id = text(&open, "invitation_id")?;
    let age = "update platform.invitations set mailed_at = mailed_at - interval '1 hour'";
    platform.db().sql(age).await;
    let works = factory(&owner, &tenant_id, &canary).await?;
    let identity_provider_id = identity_provider(&owner, &base, &canary).await?;
    let spare_provider_id = identity_provider(&owner, &base, &canary).await?;
    let link = format!(
        "insert into platform.identity_links \
           (tenant_id, issuer, subject, provider_id, principal_id, linked_at) \
         select tenant_id, issuer, '{canary}', id, '{}', now() \
         from platform.identity_providers where id = '{identity_provider_id}'",
        text(&me, "principal_id")?,
    );
    platform.db().sql(&link).await;
    let realtime = realtime::build(&owner, platform.db(), &canary).await?;
    let radius = radius::build(&owner, &canary, slug).await?;
    Ok(Tenant {
        slug: slug.to_owned(),
        realtime,
        radius,
        identity_provider_id,
        spare_provider_id,
        oauth_client_id,
        authorization_query,
        channel: format!("private-organization.{tenant_id}.device.{device_id}"),
        tenant_id,
        owner,
        viewer,
        viewer_id,
        viewer_email,
        password: PASSWORD.to_owned(),
        device_id,
        contract_id,
        command_id,
        cancellable: commands,
        serials,
        factory: works,
        late_devices: late_devices(platform, slug).await,
        csr_pem: enrolled.csr_pem,
        api_token_id,
        rights,
        inside,
        invitation_id,
        dispensable_id,
        canaries: vec![canary, format!("Owner of {slug}"), format!("Tenant {slug}")],
    })
}

/// As auth would have them after a renewal that came too late; nobody waits 90 days here.
async fn late_devices(platform: &Platform, slug: &str) -> Vec<String> {
    let mut devices = Vec::new();
    for _ in 0..2 * TRIES {
        let id = RandomIds.uuid7().to_string();
        let principal = format!(
            "insert into platform.principals (id, kind, tenant_id, display_name) \
             select '{id}', 'device', id, 'late' from platform.tenants where slug = '{slug}'"
        );
        let standing = format!(
            "insert into platform.device_standing (device_id, tenant_id, state, since, told) \
             select '{id}', id, 'waiting', now(), 1 from platform.tenants where slug = '{slug}'"
        );
        platform.db().sql(&principal).await;
        platform.db().sql(&standing).await;
        devices.push(id);
    }
    devices
}

/// Registers a client that may read devices.
///
/// # Errors
/// When it is refused.
pub async fn oauth_client(owner: &Client, name: &str) -> anyhow::Result<String> {
    let wish = json!({
        "name": name, "redirect_uris": ["http://127.0.0.1/cb"], "abilities": ["devices.read"],
    });
    text(&owner.expect("POST", "/api/v1/oauth-clients", Some(&wish)).await?, "client_id")
}

/// Sets an identity provider up: this platform, whose issuer is one like any other.
async fn identity_provider(owner: &Client, base: &str, canary: &str) -> anyhow::Result<String> {
    let wish = json!({
        "name": "Of the world", "issuer": base, "client_id": "of-the-world",
        "groups_claim": "groups", "role_rules": [{"group": canary, "role": "viewer"}],
    });
    let made = owner.expect("POST", "/api/v1/identity-providers", Some(&wish)).await?;
    text(&made, "provider_id")
}

/// With the challenge of RFC 7636 appendix B.
fn authorization_query(client: &str) -> String {
    format!(
        "response_type=code&client_id={client}&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\
         &scope=openid%20devices.read"
    )
}

/// Invites an address and accepts by the link of the mail; the principal.
async fn let_in(platform: &Platform, owner: &Client, email: &str) -> anyhow::Result<String> {
    let wish = json!({"email": email, "role": "viewer"});
    owner.expect("POST", "/api/v1/invitations", Some(&wish)).await?;
    let letters = platform.mail().await_to(email, 1).await;
    let token = link_token(letters.first().context("a mail has come")?);
    let answer = json!({"token": token, "display_name": "Guest", "password": PASSWORD});
    let nobody = Client::anonymous(&platform.base_url())?;
    let made = nobody.expect("POST", "/api/v1/invitations/accept", Some(&answer)).await?;
    text(&made, "principal_id")
}

async fn send_command(owner: &Client, device: &str, canary: &str) -> anyhow::Result<String> {
    let path = format!("/api/v1/devices/{device}/commands");
    let body = json!({
        "name": "set_valve", "arguments": {"position": 1, "note": canary}, "deadline_seconds": 3600,
    });
    text(&owner.expect("POST", &path, Some(&body)).await?, "command_id")
}

async fn await_reading(owner: &Client, device: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/devices/{device}/readings");
    eventually(Duration::from_secs(20), || async {
        let page = owner.expect("GET", &path, None).await.ok()?;
        let readings = page.get("readings")?.as_array()?;
        (!readings.is_empty()).then_some(())
    })
    .await;
    Ok(())
}

/// A text field of an answer.
///
/// # Errors
/// When it is not there.
pub fn text(json: &Value, field: &str) -> anyhow::Result<String> {
    let text = json.get(field).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no {field} in {json}"))?.to_owned())
}
