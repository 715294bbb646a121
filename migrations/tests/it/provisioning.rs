//! `platform.migrate_tenant` and `platform.drop_tenant_data`, called as auth calls them.

use uuid::Uuid;
use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_migrations::SERVICE_ROLES;
use yard_pg::{Actor, Pg, PgError, PlatformTx, TenantTx};
use yard_testkit::TestDb;

fn somebody() -> Actor {
    Actor::service("auth")
}

/// A tenant's row as auth writes it, without its schema.
async fn requested(pg: &Pg) -> TenantId {
    let id = TenantId::from_uuid(RandomIds.uuid7());
    let mut tx = PlatformTx::begin(pg, &somebody()).await.unwrap();
    sqlx::query(
        "insert into platform.tenants (id, slug, name, state) values ($1, $2, 'T', 'provisioning')",
    )
    .bind(id.uuid())
    .bind(format!("t-{}", id.uuid().as_simple()))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

async fn provision(pg: &Pg, tenant: TenantId) -> Result<i32, PgError> {
    let mut tx = PlatformTx::begin(pg, &somebody()).await?;
    let applied = sqlx::query_scalar("select platform.migrate_tenant($1)")
        .bind(tenant.uuid())
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(applied)
}

#[tokio::test]
async fn req_wifi_33_auth_makes_a_whole_schema_without_owning_any_of_it() {
    let db = TestDb::create().await;
    let (pg, model) = (db.pg("yard_auth"), TenantId::from_uuid(RandomIds.uuid7()));
    db.tenant(model, "model").await;
    let tenant = requested(&pg).await;
    assert!(provision(&pg, tenant).await.unwrap() > 0);
    assert_eq!(provision(&pg, tenant).await.unwrap(), 0, "the second time there is nothing to do");
    let shape = |id: TenantId| {
        let schema = format!("ts_{}", id.uuid().as_simple());
        format!(
            "select c.relkind::text || ' ' || c.relname || ' ' || pg_get_userbyid(c.relowner) || ' ' || \
             coalesce(array_to_string(c.relacl, ' '), '') || ' ' || c.relforcerowsecurity::text \
             from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = '{schema}' order by 1"
        )
    };
    let made = db.sql(&shape(tenant)).await;
    assert!(made.contains("r devices yard_owner"), "{made}");
    assert_eq!(made, db.sql(&shape(model)).await, "the same as the migrator's");
}

#[tokio::test]
async fn provisioning_leaves_the_callers_settings_as_they_were() {
    let db = TestDb::create().await;
    let pg = db.pg("yard_auth");
    let tenant = requested(&pg).await;
    let mut tx = TenantTx::begin(&pg, tenant, &somebody()).await.unwrap();
    let settings = "select current_setting('search_path') || '|' || current_setting('app.platform') \
         || '|' || current_setting('app.tenant_id')";
    let before: String = sqlx::query_scalar(settings).fetch_one(&mut *tx).await.unwrap();
    sqlx::query("select platform.migrate_tenant($1)")
        .bind(tenant.uuid())
        .execute(&mut *tx)
        .await
        .unwrap();
    let after: String = sqlx::query_scalar(settings).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn tenants_made_at_once_are_each_made_once() {
    let db = TestDb::create().await;
    let pg = db.pg("yard_auth");
    let tenant = requested(&pg).await;
    let (first, second) = tokio::join!(provision(&pg, tenant), provision(&pg, tenant));
    let mut applied = [first.unwrap(), second.unwrap()];
    applied.sort_unstable();
    assert!(applied[0] == 0 && applied[1] > 0, "{applied:?}");
}

#[tokio::test]
async fn services_can_neither_write_a_file_nor_own_a_schema_nor_end_a_live_tenant() {
    let db = TestDb::create().await;
    let tenant = requested(&db.pg("yard_auth")).await;
    let denied = |outcome: Result<_, sqlx::Error>| {
        let error = outcome.expect_err("refused");
        error.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()))
    };
    for role in SERVICE_ROLES {
        for statement in [
            "insert into platform.tenant_migrations values (9999, 'x', 'drop schema platform', '')",
            "update platform.tenant_migrations set sql = 'drop schema platform'",
            "update platform.tenant_schemas set version = 0",
            "create schema mine",
        ] {
            let pg = db.pg(role);
            let mut tx = PlatformTx::begin(&pg, &somebody()).await.unwrap();
            let outcome = sqlx::query(statement).execute(&mut *tx).await;
            assert_eq!(denied(outcome).as_deref(), Some("42501"), "{role}: {statement}");
        }
    }
    for role in SERVICE_ROLES.into_iter().filter(|role| *role != "yard_auth") {
        for call in ["select platform.migrate_tenant($1)", "select platform.drop_tenant_data($1)"] {
            let pg = db.pg(role);
            let mut tx = PlatformTx::begin(&pg, &somebody()).await.unwrap();
            let outcome = sqlx::query(call).bind(tenant.uuid()).execute(&mut *tx).await;
            assert_eq!(denied(outcome).as_deref(), Some("42501"), "{role}: {call}");
        }
    }
    let pg = db.pg("yard_auth");
    let mut tx = PlatformTx::begin(&pg, &somebody()).await.unwrap();
    let outcome = sqlx::query("select platform.drop_tenant_data($1)")
        .bind(tenant.uuid())
        .execute(&mut *tx)
        .await;
    assert_eq!(denied(outcome).as_deref(), Some("P0002"), "it is not being closed");
}

#[tokio::test]
async fn tenant_that_does_not_exist_is_not_migrated() {
    let db = TestDb::create().await;
    let outcome = provision(&db.pg("yard_auth"), TenantId::from_uuid(Uuid::nil())).await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn ended_tenant_leaves_no_row_and_its_neighbour_all_of_them() {
    let db = TestDb::create().await;
    let [gone, kept] = ["gone", "kept"].map(|_| TenantId::from_uuid(RandomIds.uuid7()));
    db.tenant(gone, "gone").await;
    db.tenant(kept, "kept").await;
    db.sql("select series.ensure_telemetry_partitions(1, 1)").await;
    for tenant in [gone, kept] {
        db.sql(&format!(
            "insert into series.telemetry (tenant_id, device_id, occurred_at, message_id, \
             received_at, stored_at, epoch, sequence, payload) select '{tenant}', gen_random_uuid(), \
             clock_timestamp(), gen_random_uuid(), clock_timestamp(), clock_timestamp(), 1, 1, '{{}}' \
             from generate_series(1, 5)"
        ))
        .await;
    }
    db.sql(&format!("update platform.tenants set state = 'closing' where id = '{gone}'")).await;
    let pg = db.pg("yard_auth");
    let mut tx = PlatformTx::begin(&pg, &somebody()).await.unwrap();
    let proof: Vec<(String, i64)> =
        sqlx::query_as("select relation, dropped_rows from platform.drop_tenant_data($1)")
            .bind(gone.uuid())
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    tx.commit().await.unwrap();
    assert!(proof.contains(&("series.telemetry".to_owned(), 5)), "{proof:?}");
    assert!(proof.iter().any(|(relation, _)| relation.ends_with(".devices")), "{proof:?}");
    let left = db.sql("select tenant_id, count(*) from series.telemetry group by 1").await;
    assert_eq!(left.trim(), format!("{kept}|5"));
    let schemas = db.sql("select nspname from pg_namespace where nspname like 'ts\\_%'").await;
    assert_eq!(schemas.trim(), format!("ts_{}", kept.uuid().as_simple()));
}
