use prost::Message as _;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_contracts::job::v1::JobRequest;
use yard_contracts::{subjects, values};
use yard_pg::outbox::{self, Entry, Outbox};
use yard_pg::{PgError, PlatformTx};
use yard_runtime::trace;

use super::builtin::BuiltIn;
use super::plan::Cause;
use crate::leadership::LEASE;

/// Names fires: the same schedule and time give the same id on every instance.
const FIRES: Uuid = Uuid::from_u128(0x8f2c_6a51_3d0e_4c7b_9a64_1f5e_70c2_d918);

/// A schedule as stored, and the database's time when it was read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct ScheduleRow {
    pub(super) name: String,
    pub(super) cron: String,
    pub(super) time_zone: String,
    pub(super) queue: String,
    pub(super) job_kind: String,
    pub(super) starting_seconds: f64,
    pub(super) paused: bool,
    pub(super) next_fire_at: Option<OffsetDateTime>,
    pub(super) last_fire_at: Option<OffsetDateTime>,
    pub(super) now: OffsetDateTime,
}

impl ScheduleRow {
    pub(super) fn starting_deadline(&self) -> Duration {
        Duration::seconds_f64(self.starting_seconds)
    }
}

/// A fire as stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct FireRow {
    pub(super) id: Uuid,
    pub(super) schedule: String,
    pub(super) planned_at: OffsetDateTime,
    pub(super) fired_at: OffsetDateTime,
    pub(super) epoch: i64,
    pub(super) cause: String,
}

/// All schedules, by name.
pub(super) async fn all(tx: &mut PlatformTx) -> Result<Vec<ScheduleRow>, PgError> {
    Ok(sqlx::query_as(
        "select name, cron, time_zone, queue, job_kind, \
           extract(epoch from starting_deadline)::double precision as starting_seconds, \
           paused, next_fire_at, last_fire_at, clock_timestamp() as now \
         from platform.schedules order by name",
    )
    .fetch_all(&mut **tx)
    .await?)
}

/// One schedule, kept from changing until the transaction ends.
pub(super) async fn lock(tx: &mut PlatformTx, name: &str) -> Result<Option<ScheduleRow>, PgError> {
    Ok(sqlx::query_as(
        "select name, cron, time_zone, queue, job_kind, \
           extract(epoch from starting_deadline)::double precision as starting_seconds, \
           paused, next_fire_at, last_fire_at, clock_timestamp() as now \
         from platform.schedules where name = $1 for update",
    )
    .bind(name)
    .fetch_optional(&mut **tx)
    .await?)
}

/// Writes a built-in schedule as this release has it. Whether it is paused, and when it is due, are
/// the installation's; a new plan is due by its own times.
pub(super) async fn seed(tx: &mut PlatformTx, schedule: &BuiltIn) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.schedules as s \
           (name, cron, time_zone, queue, job_kind, starting_deadline) \
         values ($1, $2, $3, $4, $5, make_interval(secs => $6)) \
         on conflict (name) do update set \
           next_fire_at = case when s.cron = excluded.cron \
             and s.time_zone = excluded.time_zone then s.next_fire_at end, \
           cron = excluded.cron, time_zone = excluded.time_zone, queue = excluded.queue, \
           job_kind = excluded.job_kind, starting_deadline = excluded.starting_deadline",
    )
    .bind(schedule.name)
    .bind(schedule.cron)
    .bind(schedule.time_zone)
    .bind(schedule.queue)
    .bind(schedule.job_kind)
    .bind(schedule.starting_deadline.as_secs_f64())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Says when a schedule is due next.
pub(super) async fn advance(
    tx: &mut PlatformTx,
    name: &str,
    next: Option<OffsetDateTime>,
) -> Result<(), PgError> {
    sqlx::query("update platform.schedules set next_fire_at = $2 where name = $1")
        .bind(name)
        .bind(next)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes a fire and the wish for its job; `None` when that time was fired already, and then
/// nothing was written.
pub(super) async fn fire(
    tx: &mut PlatformTx,
    schedule: &ScheduleRow,
    planned_at: OffsetDateTime,
    epoch: i64,
    cause: Cause,
) -> Result<Option<FireRow>, PgError> {
    let row: Option<FireRow> = sqlx::query_as(
        "insert into platform.fires (id, schedule, planned_at, fired_at, epoch, cause) \
         values ($1, $2, $3, clock_timestamp(), $4, $5) \
         on conflict (schedule, planned_at) do nothing \
         returning id, schedule, planned_at, fired_at, epoch, cause",
    )
    .bind(fire_id(&schedule.name, planned_at))
    .bind(&schedule.name)
    .bind(planned_at)
    .bind(epoch)
    .bind(cause.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    outbox::write(tx, Outbox::Scheduler, &wish(schedule, &row), row.fired_at).await?;
    sqlx::query("update platform.schedules set last_fire_at = $2 where name = $1")
        .bind(&schedule.name)
        .bind(row.fired_at)
        .execute(&mut **tx)
        .await?;
    forget_old(tx, &schedule.name).await?;
    Ok(Some(row))
}

/// The ledger keeps 30 days.
async fn forget_old(tx: &mut PlatformTx, schedule: &str) -> Result<(), PgError> {
    sqlx::query(
        "delete from platform.fires \
         where schedule = $1 and fired_at < clock_timestamp() - interval '30 days'",
    )
    .bind(schedule)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The job has the fire's id, so that a wish that is sent twice is one job.
fn wish(schedule: &ScheduleRow, fire: &FireRow) -> Entry {
    let request = JobRequest {
        job_id: fire.id.to_string(),
        queue: schedule.queue.clone(),
        kind: schedule.job_kind.clone(),
        arguments_json: "{}".to_owned(),
        requested_at: Some(values::timestamp(fire.fired_at)),
    };
    Entry {
        id: fire.id,
        tenant: None,
        subject: subjects::job(&schedule.queue, &schedule.job_kind),
        payload: request.encode_to_vec(),
        traceparent: trace::current(),
    }
}

fn fire_id(schedule: &str, planned_at: OffsetDateTime) -> Uuid {
    let micros = planned_at.unix_timestamp_nanos() / 1_000;
    Uuid::new_v5(&FIRES, format!("{schedule}@{micros}").as_bytes())
}

/// Fires of a schedule, newest first, after the key of the last page.
pub(super) async fn fires(
    tx: &mut PlatformTx,
    schedule: &str,
    before: Option<(OffsetDateTime, Uuid)>,
    most: i64,
) -> Result<Vec<FireRow>, PgError> {
    Ok(sqlx::query_as(
        "select id, schedule, planned_at, fired_at, epoch, cause from platform.fires \
         where schedule = $1 and ($2::timestamptz is null or (fired_at, id) < ($2, $3)) \
         order by fired_at desc, id desc limit $4",
    )
    .bind(schedule)
    .bind(before.map(|(at, _)| at))
    .bind(before.map(|(_, id)| id))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?)
}

/// Whether there is such a schedule.
pub(super) async fn exists(tx: &mut PlatformTx, name: &str) -> Result<bool, PgError> {
    let found =
        sqlx::query_scalar("select exists (select from platform.schedules where name = $1)")
            .bind(name)
            .fetch_one(&mut **tx)
            .await?;
    Ok(found)
}

/// The lease as the database has it: holder, epoch, end, and whether it is in force.
pub(super) type LeaseRow = (String, i64, OffsetDateTime, bool);

/// Nobody has led yet: `None`.
pub(super) async fn lease(tx: &mut PlatformTx) -> Result<Option<LeaseRow>, PgError> {
    Ok(sqlx::query_as(
        "select holder, epoch, expires_at, expires_at > clock_timestamp() \
         from platform.leases where name = $1",
    )
    .bind(LEASE)
    .fetch_optional(&mut **tx)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fire_ids_are_pinned_and_differ_by_schedule_and_time() {
        let at = OffsetDateTime::from_unix_timestamp(1_763_700_000).unwrap();
        let id = fire_id("presence-sweep", at);
        assert_eq!(id, fire_id("presence-sweep", at));
        assert_ne!(id, fire_id("presence-sweep", at + Duration::microseconds(1)));
        assert_ne!(id, fire_id("job-history-cleanup", at));
        assert_eq!(id.get_version_num(), 5);
    }
}
