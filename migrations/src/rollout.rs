//! Brings all tenants' schemas up to date: those behind only, several at once, a canary first, and
//! not on and on when it goes wrong.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures::StreamExt as _;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::files;
use crate::run::{MigrationError, connect, migrate_tenant};

/// How long a migration waits for a lock that somebody's work holds. Waiting longer would make
/// everybody who comes after wait behind it.
const LOCK_TIMEOUT: &str = "set lock_timeout = '2s'";
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// SQLSTATE of a lock that was not had in time, and of a deadlock.
const BUSY: [&str; 2] = ["55P03", "40P01"];

/// How a run goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Rollout {
    /// Schemas at the same time, each on a connection of its own.
    pub workers: NonZeroUsize,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { workers: const { NonZeroUsize::new(4).expect("four is not zero") } }
    }
}

/// What a run did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Tenants there are, without the closed ones.
    pub tenants: usize,
    /// How many of them were behind.
    pub behind: usize,
    /// How many are up to date now that were not.
    pub migrated: usize,
    /// Who failed, and why; kept in `platform.tenant_schemas` as well.
    pub failed: Vec<(Uuid, String)>,
    /// Not tried, because too many failed before.
    pub left_out: usize,
}

impl Report {
    /// True when every tenant is up to date.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty() && self.left_out == 0
    }

    pub(crate) fn first_failure(&self) -> String {
        self.failed.first().map(|(id, why)| format!("{id}: {why}")).unwrap_or_default()
    }
}

/// One tenant's place.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TenantStatus {
    /// The tenant.
    pub tenant_id: Uuid,
    /// Its name in addresses.
    pub slug: String,
    /// Newest file applied; 0 before the first.
    pub version: i64,
    /// Why the last try failed; empty when it did not.
    pub error: String,
    /// What the last run that applied something took, milliseconds.
    pub took_ms: i32,
}

/// Where every tenant is, by slug, and the newest version there is.
///
/// # Errors
/// When the database does not answer.
pub async fn status(admin_url: &str) -> Result<(i64, Vec<TenantStatus>), MigrationError> {
    let mut connection = connect(admin_url).await?;
    let rows = sqlx::query_as(
        "select t.id as tenant_id, t.slug, coalesce(s.version, 0) as version, \
         coalesce(s.error, '') as error, coalesce(s.took_ms, 0) as took_ms \
         from platform.tenants t left join platform.tenant_schemas s on s.tenant_id = t.id \
         where t.state not in ('requested', 'closed') order by t.slug",
    )
    .fetch_all(&mut connection)
    .await?;
    let newest = files::newest(&mut connection).await?;
    connection.close().await?;
    Ok((newest, rows))
}

pub(crate) async fn run(admin_url: &str, rollout: Rollout) -> Result<Report, MigrationError> {
    let mut connection = connect(admin_url).await?;
    let newest = files::newest(&mut connection).await?;
    let tenants: i64 = sqlx::query_scalar(
        "select count(*) from platform.tenants where state not in ('requested', 'closed')",
    )
    .fetch_one(&mut connection)
    .await?;
    let behind: Vec<Uuid> = sqlx::query_scalar(
        "select t.id from platform.tenants t \
         left join platform.tenant_schemas s on s.tenant_id = t.id \
         where t.state not in ('requested', 'closed') and coalesce(s.version, 0) < $1 order by t.id",
    )
    .bind(newest)
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    let tenants = usize::try_from(tenants).unwrap_or(usize::MAX);
    let mut report = Report { tenants, behind: behind.len(), ..Report::default() };
    let mut left = behind.as_slice();
    for ring in rings(behind.len()) {
        let (now, later) = left.split_at(ring);
        left = later;
        ring_of(admin_url, now, rollout.workers, &mut report).await?;
        if is_too_much(&report) {
            break;
        }
    }
    report.left_out += left.len();
    Ok(report)
}

/// One, then a twentieth, then the rest.
fn rings(behind: usize) -> [usize; 3] {
    let canary = behind.min(1);
    let few = behind.div_ceil(20).min(behind - canary);
    [canary, few, behind - canary - few]
}

/// A failed canary, or more than one in a hundred of all that are behind.
fn is_too_much(report: &Report) -> bool {
    report.failed.len() * 100 > report.behind
}

async fn ring_of(
    admin_url: &str,
    tenants: &[Uuid],
    workers: NonZeroUsize,
    report: &mut Report,
) -> Result<(), MigrationError> {
    let mut connections = Vec::new();
    for _ in 0..workers.get().min(tenants.len()) {
        let mut connection = connect(admin_url).await?;
        sqlx::query(LOCK_TIMEOUT).execute(&mut connection).await?;
        connections.push(connection);
    }
    let queue = futures::lock::Mutex::new(tenants.iter().copied());
    let outcomes = futures::lock::Mutex::new(std::mem::take(report));
    let at_work = connections.into_iter().map(|mut connection| {
        let (queue, outcomes) = (&queue, &outcomes);
        async move {
            loop {
                // Not in one statement: the queue must not stay locked during the work.
                let next = queue.lock().await.next();
                let Some(tenant) = next else { break };
                if is_too_much(&*outcomes.lock().await) {
                    outcomes.lock().await.left_out += 1;
                    continue;
                }
                match patiently(&mut connection, tenant).await {
                    Ok(_applied) => outcomes.lock().await.migrated += 1,
                    Err(error) => {
                        let why = note_failure(&mut connection, tenant, &error).await?;
                        outcomes.lock().await.failed.push((tenant, why));
                    }
                }
            }
            connection.close().await?;
            Ok::<(), MigrationError>(())
        }
    });
    let ended: Vec<_> =
        futures::stream::iter(at_work).buffer_unordered(workers.get()).collect().await;
    *report = outcomes.into_inner();
    ended.into_iter().collect()
}

/// A schema whose tables are in use is tried again a moment later.
async fn patiently(connection: &mut PgConnection, tenant: Uuid) -> Result<i32, sqlx::Error> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match migrate_tenant(connection, tenant).await {
            Err(error) if is_busy(&error) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
        pause *= 2;
    }
    migrate_tenant(connection, tenant).await
}

fn is_busy(error: &sqlx::Error) -> bool {
    let state = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    state.is_some_and(|code| BUSY.contains(&code.as_ref()))
}

async fn note_failure(
    connection: &mut PgConnection,
    tenant: Uuid,
    error: &sqlx::Error,
) -> Result<String, MigrationError> {
    let why = error.to_string();
    let mut tx = connection.begin().await?;
    sqlx::query("select set_config('app.platform', 'on', true)").execute(&mut *tx).await?;
    sqlx::query(
        "insert into platform.tenant_schemas (tenant_id, error) values ($1, $2) \
         on conflict (tenant_id) do update set error = excluded.error, \
         updated_at = clock_timestamp()",
    )
    .bind(tenant)
    .bind(&why)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_one_then_a_twentieth_then_all() {
        assert_eq!(rings(0), [0, 0, 0]);
        assert_eq!(rings(1), [1, 0, 0]);
        assert_eq!(rings(2), [1, 1, 0]);
        assert_eq!(rings(500), [1, 25, 474]);
        for behind in 0..200 {
            assert_eq!(rings(behind).iter().sum::<usize>(), behind);
        }
    }

    #[test]
    fn rollout_goes_on_up_to_one_failure_in_a_hundred() {
        let report = |failed: usize, behind: usize| Report {
            behind,
            failed: vec![(Uuid::nil(), String::new()); failed],
            ..Report::default()
        };
        assert!(!is_too_much(&report(0, 0)));
        assert!(is_too_much(&report(1, 1)));
        assert!(is_too_much(&report(1, 99)));
        assert!(!is_too_much(&report(1, 100)));
        assert!(is_too_much(&report(2, 199)));
        assert!(!is_too_much(&report(2, 200)));
    }
}
