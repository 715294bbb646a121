use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use yard_ids::Clock;
use yard_pg::{Pg, PgError, PlatformTx};

use super::config::ConfirmedConfig;
use super::{actor, store, telemetry};

/// How often old messages are looked for.
const CLEARING: Duration = Duration::from_secs(300);
/// Rows of one transaction.
const MOST: i64 = 500;
/// Messages that go in one transaction, each with up to a thousand receipts.
const MOST_CLEARED: i64 = 50;

/// Expires what was not acknowledged in time, and deletes what is old. Every instance does it, side by
/// side.
pub(super) async fn run(config: ConfirmedConfig, pg: Pg, clock: Arc<dyn Clock>) {
    let (mut cleared, mut away) = (None, false);
    loop {
        sleep(config.look).await;
        let clears = cleared.is_none_or(|at: Instant| at.elapsed() >= CLEARING);
        let done = async {
            expire(&pg, clock.as_ref()).await?;
            if clears {
                clear(&pg, config, clock.as_ref()).await?;
            }
            Ok::<(), PgError>(())
        };
        match done.await {
            Ok(()) => {
                away = false;
                if clears {
                    cleared = Some(Instant::now());
                }
            }
            Err(error) => {
                if !away {
                    tracing::info!(error = %error, "messages that are over wait for the database");
                }
                away = true;
            }
        }
    }
}

async fn expire(pg: &Pg, clock: &dyn Clock) -> Result<(), PgError> {
    loop {
        let mut tx = PlatformTx::begin(pg, &actor()).await?;
        let count = store::expire(&mut tx, clock.now(), MOST).await?;
        tx.commit().await?;
        if count > 0 {
            telemetry::receipts("expired", count);
        }
        if count < MOST.unsigned_abs() {
            return Ok(());
        }
    }
}

async fn clear(pg: &Pg, config: ConfirmedConfig, clock: &dyn Clock) -> Result<(), PgError> {
    let before = clock.now() - config.keep;
    loop {
        let mut tx = PlatformTx::begin(pg, &actor()).await?;
        let messages = store::clear(&mut tx, before, MOST_CLEARED).await?;
        let sequences = store::clear_sequences(&mut tx, before, MOST).await?;
        tx.commit().await?;
        if messages < MOST_CLEARED.unsigned_abs() && sequences < MOST.unsigned_abs() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;
    use yard_ids::{IdSource as _, ManualClock, RandomIds, TenantId};
    use yard_pg::TenantTx;
    use yard_testkit::TestDb;

    use super::*;

    const APP: i64 = 1_234_567_890;

    /// A message to one user that is over one minute after `at`.
    async fn write(pg: &Pg, tenant: TenantId, at: OffsetDateTime) -> Uuid {
        let id = RandomIds.uuid7();
        let mut tx = TenantTx::begin(pg, tenant, &actor()).await.unwrap();
        let place = store::next(&mut tx, APP, "private-a", at).await.unwrap();
        let new = store::NewMessage {
            id,
            app: APP,
            channel: "private-a",
            event: "e",
            data: "{}",
            level: "app",
            key: None,
            sender: "app:1234567890",
            created_at: at,
            expires_at: at + time::Duration::minutes(1),
        };
        store::insert(&mut tx, place, &new, &["1".to_owned()]).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    #[tokio::test]
    async fn message_expires_at_its_time_and_goes_when_it_was_kept_long_enough() {
        let db = TestDb::create().await;
        let tenant = db.tenant(TenantId::from_uuid(RandomIds.uuid7()), "shop").await;
        let pg = db.pg("yard_comms");
        let clock = ManualClock::new(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let config = ConfirmedConfig {
            resend_first: Duration::from_secs(15),
            resend_most: Duration::from_secs(300),
            look: Duration::from_secs(3),
            in_flight: 64,
            keep: Duration::from_secs(3_600),
        };
        write(&pg, tenant, clock.now()).await;
        let states = "select coalesce(string_agg(state, ','), '') from platform.realtime_receipts";
        let rest = "select (select count(*) from platform.realtime_messages) || ' ' || \
                    (select count(*) from platform.realtime_sequences)";
        for (step, state, left) in [
            (time::Duration::ZERO, "queued", "1 1"),
            (time::Duration::milliseconds(59_999), "queued", "1 1"),
            (time::Duration::milliseconds(1), "expired", "1 1"),
            (time::Duration::milliseconds(3_599_999), "expired", "1 1"),
            (time::Duration::milliseconds(1), "", "0 0"),
        ] {
            clock.advance(step);
            expire(&pg, &clock).await.unwrap();
            clear(&pg, config, &clock).await.unwrap();
            assert_eq!(db.sql(states).await.trim(), state, "{step}");
            assert_eq!(db.sql(rest).await.trim(), left, "{step}");
        }
    }

    #[tokio::test]
    async fn acknowledgement_that_came_in_time_stands_and_a_later_one_does_not() {
        let db = TestDb::create().await;
        let tenant = db.tenant(TenantId::from_uuid(RandomIds.uuid7()), "shop").await;
        let pg = db.pg("yard_comms");
        let clock = ManualClock::new(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let end = clock.now() + time::Duration::minutes(1);
        for (at, user, channel, taken) in [
            (end - time::Duration::milliseconds(1), "1", "private-a", true),
            (end, "1", "private-a", false),
            (clock.now(), "2", "private-a", false),
            (clock.now(), "1", "private-b", false),
        ] {
            let id = write(&pg, tenant, clock.now()).await;
            let (users, channels) = (vec![user], vec![channel]);
            let all = store::Acknowledged {
                ids: vec![id],
                users,
                apps: vec![APP],
                channels,
                at: vec![at],
            };
            for again in [false, true] {
                let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
                let took = store::acknowledge(&mut tx, &all).await.unwrap();
                tx.commit().await.unwrap();
                assert_eq!(took.len(), usize::from(taken && !again), "{at} {user} {channel}");
            }
        }
    }
}
