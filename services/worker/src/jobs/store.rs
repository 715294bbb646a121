use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{Actor, Pg, PgError, PlatformTx};

use super::{MOST_ATTEMPTS, QUEUE, backoff};

/// A job as it is asked for.
#[derive(Debug, Clone)]
pub(super) struct NewJob {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) arguments: Value,
    pub(super) requested_at: OffsetDateTime,
}

/// A job that this worker may run until its lease ends.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Claimed {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) attempt: i32,
    pub(super) lease_token: Uuid,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Completed,
    /// With words that may be shown.
    Failed(String),
}

async fn begin(pg: &Pg) -> Result<PlatformTx, PgError> {
    PlatformTx::begin(pg, &Actor::service("worker")).await
}

/// Adds jobs; those that are there already stay as they are.
pub(super) async fn insert(pg: &Pg, jobs: &[NewJob]) -> Result<u64, PgError> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
    let kinds: Vec<&str> = jobs.iter().map(|job| job.kind.as_str()).collect();
    let arguments: Vec<String> = jobs.iter().map(|job| job.arguments.to_string()).collect();
    let requested: Vec<OffsetDateTime> = jobs.iter().map(|job| job.requested_at).collect();
    let mut tx = begin(pg).await?;
    let done = sqlx::query(
        "insert into platform.jobs (id, queue, kind, state, arguments, requested_at) \
         select j.id, $1, j.kind, 'available', j.arguments::jsonb, j.requested_at \
         from unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[]) \
           as j(id, kind, arguments, requested_at) \
         on conflict (id) do nothing",
    )
    .bind(QUEUE)
    .bind(&ids)
    .bind(&kinds)
    .bind(&arguments)
    .bind(&requested)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

/// Takes up to `most` jobs that are due.
pub(super) async fn claim(
    pg: &Pg,
    token: Uuid,
    lease: Duration,
    most: i64,
) -> Result<Vec<Claimed>, PgError> {
    let mut tx = begin(pg).await?;
    let jobs = sqlx::query_as(
        "with due as ( \
           select id from platform.jobs \
           where queue = $1 and state = 'available' and run_at <= clock_timestamp() \
           order by run_at limit $2 for update skip locked \
         ) \
         update platform.jobs as j set state = 'running', attempt = j.attempt + 1, \
           lease_token = $3, lease_until = clock_timestamp() + make_interval(secs => $4) \
         from due where j.id = due.id \
         returning j.id, j.kind, j.attempt, j.lease_token",
    )
    .bind(QUEUE)
    .bind(most)
    .bind(token)
    .bind(lease.as_secs_f64())
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(jobs)
}

/// Prolongs the lease; `false` when the job is no longer ours.
pub(super) async fn heartbeat(pg: &Pg, job: &Claimed, lease: Duration) -> Result<bool, PgError> {
    let mut tx = begin(pg).await?;
    let done = sqlx::query(
        "update platform.jobs set lease_until = clock_timestamp() + make_interval(secs => $3) \
         where id = $1 and lease_token = $2 and state = 'running'",
    )
    .bind(job.id)
    .bind(job.lease_token)
    .bind(lease.as_secs_f64())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down how an attempt ended; `false` when the job is no longer ours, and nothing was
/// written.
pub(super) async fn finish(pg: &Pg, job: &Claimed, ending: &Ending) -> Result<bool, PgError> {
    let (state, error) = match ending {
        Ending::Completed => ("completed", ""),
        Ending::Failed(why) if job.attempt >= MOST_ATTEMPTS => ("dead", why.as_str()),
        Ending::Failed(why) => ("available", why.as_str()),
    };
    let mut tx = begin(pg).await?;
    let done = sqlx::query(
        "update platform.jobs set state = $3, last_error = $4, lease_token = null, \
           lease_until = null, \
           run_at = clock_timestamp() + make_interval(secs => $5), \
           finished_at = case when $3 = 'available' then null else clock_timestamp() end \
         where id = $1 and lease_token = $2 and state = 'running'",
    )
    .bind(job.id)
    .bind(job.lease_token)
    .bind(state)
    .bind(error)
    .bind(backoff(job.attempt).as_secs_f64())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// Gives claimed jobs back as if they had not been taken.
pub(super) async fn give_back(pg: &Pg, tokens: &[Uuid]) -> Result<u64, PgError> {
    let mut tx = begin(pg).await?;
    let done = sqlx::query(
        "update platform.jobs set state = 'available', attempt = attempt - 1, \
           lease_token = null, lease_until = null, run_at = clock_timestamp() \
         where lease_token = any($1) and state = 'running'",
    )
    .bind(tokens)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

/// Takes jobs from workers that are not heard of; answers how many run again and how many died.
pub(super) async fn rescue(pg: &Pg) -> Result<(i64, i64), PgError> {
    let mut tx = begin(pg).await?;
    let counted = sqlx::query_as(
        "with lost as ( \
           select id from platform.jobs \
           where state = 'running' and lease_until < clock_timestamp() \
           order by lease_until limit 500 for update skip locked \
         ), taken as ( \
           update platform.jobs as j set lease_token = null, lease_until = null, \
             run_at = clock_timestamp(), \
             state = case when j.attempt >= $1 then 'dead' else 'available' end, \
             finished_at = case when j.attempt >= $1 then clock_timestamp() end, \
             last_error = 'the worker was lost in attempt ' || j.attempt \
           from lost where j.id = lost.id returning j.state \
         ) \
         select count(*) filter (where state = 'available'), \
           count(*) filter (where state = 'dead') from taken",
    )
    .bind(MOST_ATTEMPTS)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(counted)
}

/// Deletes finished jobs that ended longer ago than `keep`, a portion at a time.
pub(super) async fn delete_finished(pg: &Pg, keep: Duration) -> Result<u64, PgError> {
    let mut tx = begin(pg).await?;
    let done = sqlx::query(
        "delete from platform.jobs where id in ( \
           select id from platform.jobs \
           where finished_at < clock_timestamp() - make_interval(secs => $1) \
           limit 5000 for update skip locked)",
    )
    .bind(keep.as_secs_f64())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}
