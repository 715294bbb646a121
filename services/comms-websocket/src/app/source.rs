//! Where tenants' apps are read from.

use std::time::Duration;

use tonic::async_trait;
use yard_authn::seal::Sealer;
use yard_fault::Fault;
use yard_ids::TenantId;
use yard_pg::{Actor, Pg, PlatformTx};

use super::store::{self, FoundRow, Row, WebhookRow};
use super::{AppId, AppSettings, SECRET, Secrets, webhooks as hooks};

/// An app as it was at a moment.
pub(super) struct Found {
    pub(super) id: AppId,
    pub(super) key: Box<str>,
    pub(super) tenant: TenantId,
    pub(super) secrets: Secrets,
    pub(super) settings: AppSettings,
    /// That moment by the database's clock, milliseconds since 1970.
    pub(super) read_ms: i64,
}

/// Finds apps by their keys and by their numbers, those that there are.
#[async_trait]
pub(super) trait Source: Send + Sync {
    async fn find(&self, keys: Vec<String>, ids: Vec<AppId>) -> Result<Vec<Found>, Fault>;
}

/// The database.
pub(super) struct Stored {
    pub(super) pg: Pg,
    pub(super) sealer: Sealer,
}

#[async_trait]
impl Source for Stored {
    async fn find(&self, keys: Vec<String>, ids: Vec<AppId>) -> Result<Vec<Found>, Fault> {
        let numbers: Vec<i64> = ids.into_iter().filter_map(AppId::stored).collect();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("comms-websocket")).await?;
        let rows = store::find(&mut tx, &keys, &numbers).await?;
        let found: Vec<i64> = rows.iter().map(|found| found.row.number).collect();
        let webhooks = store::enabled_webhooks(&mut tx, &found).await?;
        tx.commit().await?;
        Ok(rows.into_iter().filter_map(|row| self.opened(row, &webhooks)).collect())
    }
}

impl Stored {
    fn opened(&self, found: FoundRow, webhooks: &[WebhookRow]) -> Option<Found> {
        let id = AppId::of_stored(found.row.number)?;
        let mut secrets = Vec::new();
        for (secret, sealed) in found.secret_ids.iter().zip(&found.sealed) {
            match self.sealer.open(SECRET, secret.as_bytes(), sealed) {
                Ok(plain) => secrets.push(plain),
                Err(fault) => {
                    // The app's other secret still counts.
                    let problem = fault.inside();
                    tracing::error!(app = %id, problem, "a secret of an app cannot be opened");
                }
            }
        }
        Some(Found {
            id,
            tenant: TenantId::from_uuid(found.tenant_id),
            secrets: Secrets::new(secrets.iter().map(Vec::as_slice)),
            settings: settings(&found.row, found.open, webhooks),
            read_ms: found.read_ms,
            key: found.row.key.into(),
        })
    }
}

fn settings(row: &Row, tenant_is_open: bool, webhooks: &[WebhookRow]) -> AppSettings {
    // The table holds that none is negative.
    let number = |stored: i32| usize::try_from(stored).unwrap_or_default();
    AppSettings {
        enabled: tenant_is_open && row.disabled_at.is_none(),
        client_events: row.client_events,
        client_events_per_second: row.client_events_per_second.unsigned_abs(),
        allowed_origins: row.allowed_origins.clone(),
        max_connections: match number(row.max_connections) {
            0 => usize::MAX,
            most => most,
        },
        max_members: number(row.max_members),
        max_event_bytes: number(row.max_event_bytes),
        subscription_count: row.subscription_count,
        recoverable_prefixes: row.recoverable_prefixes.clone(),
        history_events: number(row.history_events),
        history_kept: Duration::from_secs(row.history_seconds.unsigned_abs().into()),
        webhooks: webhooks
            .iter()
            .filter(|webhook| webhook.app == row.number)
            .map(hooks::endpoint)
            .collect(),
    }
}
