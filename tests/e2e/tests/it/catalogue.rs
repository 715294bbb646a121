//! What PostgreSQL's own catalogue says about the schema: the walls between tenants and between
//! services are the database's, not ours to remember.

use yard_ids::TenantId;
use yard_pg::{Actor, TenantTx};
use yard_testkit::TestDb;

const A: &str = "0190a6f2-7c2a-7b52-9c11-00000000000a";
const B: &str = "0190a6f2-7c2a-7b52-9c11-00000000000b";

fn id(text: &str) -> TenantId {
    text.parse().unwrap()
}

async fn two_tenants() -> TestDb {
    let db = TestDb::create().await;
    db.tenant(id(A), "a").await;
    db.tenant(id(B), "b").await;
    db
}

/// Relations of ours: platform, series and every tenant's schema, without the migrator's notes.
const OURS: &str = "from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     where (n.nspname in ('platform', 'series') or n.nspname like 'ts\\_%') \
     and c.relname <> '_sqlx_migrations'";

#[tokio::test]
async fn req_wifi_39_every_table_with_a_tenant_forces_row_level_security_and_has_a_policy() {
    let db = two_tenants().await;
    let bare = db
        .sql(&format!(
            "select n.nspname || '.' || c.relname {OURS} and c.relkind in ('r', 'p') \
             and exists (select from pg_attribute a where a.attrelid = c.oid \
                         and a.attname = 'tenant_id' and not a.attisdropped) \
             and not (c.relrowsecurity and c.relforcerowsecurity \
                      and (c.relispartition or exists (select from pg_policy p where p.polrelid = c.oid)))"
        ))
        .await;
    assert_eq!(bare.trim(), "");
    let checked = db
        .sql(&format!(
            "select count(*) {OURS} and c.relkind in ('r', 'p') and c.relforcerowsecurity"
        ))
        .await;
    assert!(checked.trim().parse::<u32>().unwrap() >= 25, "{checked}");
}

#[tokio::test]
async fn req_wifi_33_every_table_of_a_tenant_schema_names_its_tenant() {
    let db = two_tenants().await;
    let nameless = db
        .sql(&format!(
            "select n.nspname || '.' || c.relname {OURS} and n.nspname like 'ts\\_%' \
             and c.relkind in ('r', 'p') and not exists (select from pg_attribute a \
               where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull)"
        ))
        .await;
    assert_eq!(nameless.trim(), "");
}

#[tokio::test]
async fn tenant_schemas_hold_only_invoker_views_and_no_enum_types() {
    let db = two_tenants().await;
    let definer_views = db
        .sql(&format!(
            "select c.relname {OURS} and c.relkind = 'v' \
             and not coalesce('security_invoker=true' = any (c.reloptions), false)"
        ))
        .await;
    assert_eq!(definer_views.trim(), "");
    let enums = db.sql("select typname from pg_type where typtype = 'e'").await;
    assert_eq!(enums.trim(), "");
}

#[tokio::test]
async fn service_roles_own_nothing_and_cannot_pass_row_level_security() {
    let db = two_tenants().await;
    let strong = db
        .sql(
            "select rolname from pg_roles where rolname like 'yard\\_%' \
             and rolname not in ('yard_owner', 'yard_admin') \
             and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)",
        )
        .await;
    assert_eq!(strong.trim(), "");
    let members = db
        .sql("select count(*) from pg_auth_members m join pg_roles r on r.oid = m.roleid where r.rolname = 'yard_owner'")
        .await;
    assert_eq!(members.trim(), "0");
    let owners = db
        .sql(&format!(
            "select distinct pg_get_userbyid(c.relowner) {OURS} and c.relkind in ('r', 'p', 'v')"
        ))
        .await;
    assert_eq!(owners.trim(), "yard_owner");
    let paths = db
        .sql(
            "select count(*) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole \
             where r.rolname in ('yard_auth', 'yard_comms', 'yard_ingest', 'yard_scheduler', \
               'yard_worker') \
             and s.setdatabase = (select oid from pg_database where datname = current_database()) \
             and 'search_path=\"\"' = any (s.setconfig)",
        )
        .await;
    assert_eq!(paths.trim(), "5");
}

#[tokio::test]
async fn partitions_are_reached_through_their_parent_only() {
    let db = two_tenants().await;
    let granted = db
        .sql(
            "select c.relname from pg_class c, aclexplode(c.relacl) g \
             where c.relispartition and g.grantee <> c.relowner",
        )
        .await;
    assert_eq!(granted.trim(), "");
    let count = db
        .sql("select count(*) from pg_inherits where inhparent = 'series.telemetry'::regclass")
        .await;
    assert_eq!(count.trim(), "16");
}

#[tokio::test]
async fn each_table_is_written_by_one_service_only() {
    let db = two_tenants().await;
    let shared = db
        .sql(
            "select t.relation from (select n.nspname || '.' || c.relname as relation, \
               count(distinct g.grantee) as writers \
             from pg_class c join pg_namespace n on n.oid = c.relnamespace, \
               aclexplode(c.relacl) g \
             where g.privilege_type in ('INSERT', 'UPDATE', 'DELETE') and g.grantee <> c.relowner \
             group by 1) t where t.writers > 1",
        )
        .await;
    assert_eq!(shared.trim(), "");
}

#[tokio::test]
async fn req_wifi_02_rows_of_another_tenant_cannot_be_read_or_written() {
    let db = two_tenants().await;
    let pg = db.pg("yard_worker");
    let actor = Actor::service("test");
    let insert = "insert into series.telemetry (tenant_id, device_id, occurred_at, message_id, \
                  received_at, epoch, sequence, payload) \
                  values ($1, gen_random_uuid(), now(), gen_random_uuid(), now(), 0, 0, '{}')";

    let mut own = TenantTx::begin(&pg, id(A), &actor).await.unwrap();
    sqlx::query(insert).bind(id(A).uuid()).execute(&mut *own).await.unwrap();
    own.commit().await.unwrap();

    let mut other = TenantTx::begin(&pg, id(B), &actor).await.unwrap();
    let seen: i64 = sqlx::query_scalar("select count(*) from series.telemetry")
        .fetch_one(&mut *other)
        .await
        .unwrap();
    assert_eq!(seen, 0);
    let refused = sqlx::query(insert).bind(id(A).uuid()).execute(&mut *other).await;
    assert!(refused.unwrap_err().to_string().contains("row-level security"));
}

#[tokio::test]
async fn service_reads_no_table_of_another_service() {
    let db = two_tenants().await;
    let pg = db.pg("yard_worker");
    for statement in [
        "select count(*) from platform.people",
        "select count(*) from platform.sessions",
        "select count(*) from platform.schedules",
        "select count(*) from platform.device_directory",
        "select count(*) from devices",
        "select count(*) from series.telemetry_template",
    ] {
        let mut tx = TenantTx::begin(&pg, id(A), &Actor::service("test")).await.unwrap();
        assert!(sqlx::query(statement).execute(&mut *tx).await.is_err(), "{statement}");
    }
}
