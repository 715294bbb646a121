use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx::{PgConnection, Postgres, Transaction};
use tracing::Span;
use tracing::field::Empty;
use uuid::Uuid;
use yard_ids::TenantId;

use crate::{Pg, PgError, tenant_schema};

/// On whose behalf a transaction writes, for triggers and logs: `person:<uuid>`,
/// `service:<name>`, `device:<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// A person.
    #[must_use]
    pub fn person(id: Uuid) -> Self {
        Self(format!("person:{}", id.as_hyphenated()))
    }

    /// A service of ours.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self(format!("service:{name}"))
    }

    /// A device.
    #[must_use]
    pub fn device(id: yard_ids::DeviceId) -> Self {
        Self(format!("device:{id}"))
    }

    /// The subject of a verified token, which has this form already.
    #[must_use]
    pub fn of_subject(subject: &str) -> Self {
        Self(subject.to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const SET_CONTEXT: &str = "select set_config('search_path', $1, true), \
     set_config('app.tenant_id', $2, true), set_config('app.actor', $3, true), \
     set_config('app.platform', $4, true), set_config('statement_timeout', $5, true)";

const SWITCH_TENANT: &str = "select set_config('search_path', $1, true), \
     set_config('app.tenant_id', $2, true), set_config('app.actor', $3, true)";

async fn set_context(
    tx: &mut Transaction<'static, Postgres>,
    [search_path, tenant, actor, platform, statement_timeout]: [&str; 5],
) -> Result<(), PgError> {
    sqlx::query(SET_CONTEXT)
        .bind(search_path)
        .bind(tenant)
        .bind(actor)
        .bind(platform)
        .bind(statement_timeout)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// From the first statement to the end of the transaction, in the trace of whoever began it.
/// Attributes follow OpenTelemetry's database conventions; statements and values stay out.
fn span() -> Span {
    tracing::info_span!(
        "transaction",
        otel.name = "postgresql transaction",
        otel.kind = "client",
        db.system.name = "postgresql",
        committed = Empty,
    )
}

/// A transaction for one tenant. Dropped without [`TenantTx::commit`] it rolls back.
#[derive(Debug)]
pub struct TenantTx {
    tx: Transaction<'static, Postgres>,
    tenant: TenantId,
    span: Span,
}

impl TenantTx {
    /// Begins, and sets the tenant's context for this transaction only.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(pg: &Pg, tenant: TenantId, actor: &Actor) -> Result<Self, PgError> {
        let span = span();
        let mut tx = pg.begin().await?;
        let (schema, id) = (tenant_schema(tenant), tenant.to_string());
        set_context(&mut tx, [&schema, &id, &actor.0, "", pg.statement_timeout()]).await?;
        Ok(Self { tx, tenant, span })
    }

    /// Begins one that only reads, on the replica if the service has one and it is within its bound
    /// of staleness, else on the writer. What was just written may not be there yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_reader(pg: &Pg, tenant: TenantId, actor: &Actor) -> Result<Self, PgError> {
        let span = span();
        let mut tx = pg.begin_reading().await?;
        let (schema, id) = (tenant_schema(tenant), tenant.to_string());
        set_context(&mut tx, [&schema, &id, &actor.0, "", pg.statement_timeout()]).await?;
        Ok(Self { tx, tenant, span })
    }

    /// The tenant it works for.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Goes on for another tenant in the same transaction. Only batch writers need it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn switch_tenant(&mut self, tenant: TenantId, actor: &Actor) -> Result<(), PgError> {
        let (schema, id) = (tenant_schema(tenant), tenant.to_string());
        sqlx::query(SWITCH_TENANT)
            .bind(&schema)
            .bind(&id)
            .bind(&actor.0)
            .execute(&mut *self.tx)
            .await?;
        self.tenant = tenant;
        Ok(())
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When it is not known whether it became so.
    pub async fn commit(self) -> Result<(), PgError> {
        let Self { tx, span, .. } = self;
        tx.commit().await?;
        span.record("committed", true);
        Ok(())
    }
}

/// A transaction on `platform` tables of all tenants. Tenant schemas and `series` stay closed.
#[derive(Debug)]
pub struct PlatformTx {
    tx: Transaction<'static, Postgres>,
    span: Span,
}

impl PlatformTx {
    /// As [`TenantTx::begin_reader`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_reader(pg: &Pg, actor: &Actor) -> Result<Self, PgError> {
        let span = span();
        let mut tx = pg.begin_reading().await?;
        set_context(&mut tx, ["", "", &actor.0, "on", pg.statement_timeout()]).await?;
        Ok(Self { tx, span })
    }

    /// Begins one that only reads, and sees everything as it is now until it ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_snapshot(pg: &Pg, actor: &Actor) -> Result<Self, PgError> {
        let span = span();
        let mut tx = pg.begin().await?;
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *tx)
            .await?;
        set_context(&mut tx, ["", "", &actor.0, "on", pg.statement_timeout()]).await?;
        Ok(Self { tx, span })
    }

    /// Begins, and opens the `platform` tables for this transaction only.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(pg: &Pg, actor: &Actor) -> Result<Self, PgError> {
        let span = span();
        let mut tx = pg.begin().await?;
        set_context(&mut tx, ["", "", &actor.0, "on", pg.statement_timeout()]).await?;
        Ok(Self { tx, span })
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When it is not known whether it became so.
    pub async fn commit(self) -> Result<(), PgError> {
        let Self { tx, span, .. } = self;
        tx.commit().await?;
        span.record("committed", true);
        Ok(())
    }
}

macro_rules! lends_connection {
    ($($tx:ty),+) => {$(
        impl Deref for $tx {
            type Target = PgConnection;

            fn deref(&self) -> &PgConnection {
                &self.tx
            }
        }

        impl DerefMut for $tx {
            fn deref_mut(&mut self) -> &mut PgConnection {
                &mut self.tx
            }
        }
    )+};
}

lends_connection!(TenantTx, PlatformTx);
