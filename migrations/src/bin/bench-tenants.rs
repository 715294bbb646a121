//! Developers' tool: what many tenants cost. Makes them, migrates them with nothing to do and with one
//! column more, and looks at the catalogue and at one pooled connection that served them all.
//!
//! `bench-tenants ADMIN_URL INGEST_URL COUNT`; prints one JSON line. Leaves the tenants behind: give it
//! a database of its own.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;
use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_migrations::{NewTenant, Rollout, connect, create_tenant, migrate};

const AT_ONCE: usize = 4;
/// A file that no release has: one column more.
const ONE_COLUMN: &str = "insert into platform.tenant_migrations (version, description, sql, checksum) \
     values (9000, 'one column', 'alter table devices add column bench text', '')";

fn main() -> ExitCode {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = executor.map_err(anyhow::Error::from).and_then(|e| e.block_on(bench()));
    let (line, code) = match outcome {
        Ok(figures) => (figures.to_string(), ExitCode::SUCCESS),
        Err(error) => (format!("bench-tenants: {error:#}"), ExitCode::FAILURE),
    };
    let written = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
    written.map_or(ExitCode::FAILURE, |()| code)
}

async fn bench() -> anyhow::Result<Value> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| arguments.next().with_context(|| format!("argument {what} is missing"));
    let (admin, ingest) = (next("ADMIN_URL")?, next("INGEST_URL")?);
    let count: usize = next("COUNT")?.parse()?;

    let mut owner = connect(&admin).await?;
    let before = catalogue(&mut owner).await?;
    let begun = Instant::now();
    let tenants = make(&admin, count).await?;
    let create_ms = begun.elapsed().as_secs_f64() * 1_000.0 / count as f64;
    let after = catalogue(&mut owner).await?;

    let begun = Instant::now();
    let idle = migrate(&admin, Rollout::default()).await?;
    let nothing_ms = begun.elapsed().as_secs_f64() * 1_000.0;
    ensure!(idle.behind == 0, "nobody should have been behind");
    sqlx::query(ONE_COLUMN).execute(&mut owner).await?;
    let begun = Instant::now();
    let moved = migrate(&admin, Rollout::default()).await?;
    let column_s = begun.elapsed().as_secs_f64();
    ensure!(moved.migrated >= count, "not everybody was migrated");

    let memory = serve_all(&mut owner, &ingest, &tenants).await?;
    owner.close().await?;
    Ok(json!({
        "tenants": count,
        "create_ms_each": rounded(create_ms),
        "nothing_to_do_ms": rounded(nothing_ms),
        "one_column_seconds": rounded(column_s),
        "relations_per_tenant": (after.relations - before.relations) as f64 / count as f64,
        "database_kib_per_tenant": rounded((after.bytes - before.bytes) as f64 / 1_024.0 / count as f64),
        "database_mib": rounded(after.bytes as f64 / 1_048_576.0),
        "backend_private_kib_fresh": memory.fresh,
        "backend_private_kib_after_all": memory.after_all,
    }))
}

async fn make(admin: &str, count: usize) -> anyhow::Result<Vec<TenantId>> {
    let one = |at: usize| async move {
        let id = TenantId::from_uuid(RandomIds.uuid7());
        let slug = format!("bench-{at}-{}", id.uuid().as_simple());
        create_tenant(admin, &NewTenant { id, slug, name: "Bench".to_owned() }).await?;
        anyhow::Ok(id)
    };
    futures::stream::iter(0..count).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

struct Catalogue {
    relations: i64,
    bytes: i64,
}

async fn catalogue(owner: &mut PgConnection) -> anyhow::Result<Catalogue> {
    let (relations, bytes) = sqlx::query_as(
        "select (select count(*) from pg_class), pg_database_size(current_database())",
    )
    .fetch_one(owner)
    .await?;
    Ok(Catalogue { relations, bytes })
}

struct Memory {
    fresh: u64,
    after_all: u64,
}

/// One connection of a pool reads a table of every tenant in turn, as a service does.
async fn serve_all(
    owner: &mut PgConnection,
    ingest: &str,
    tenants: &[TenantId],
) -> anyhow::Result<Memory> {
    let pool = PgPoolOptions::new().max_connections(1).connect(ingest).await?;
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&pool).await?;
    let fresh = private_kib(backend)?;
    for tenant in tenants {
        read_devices(&pool, tenant.uuid()).await?;
    }
    let same: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&pool).await?;
    ensure!(same == backend, "the pool changed its connection");
    let after_all = private_kib(backend)?;
    pool.close().await;
    owner.ping().await?;
    Ok(Memory { fresh, after_all })
}

#[expect(clippy::disallowed_methods, reason = "the tool measures a connection, not a service")]
async fn read_devices(pool: &sqlx::PgPool, tenant: Uuid) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(
        "select set_config('search_path', $1, true), set_config('app.tenant_id', $2, true)",
    )
    .bind(format!("ts_{}", tenant.as_simple()))
    .bind(tenant.to_string())
    .execute(&mut *tx)
    .await?;
    let _devices: i64 = sqlx::query_scalar(
        "select count(*) from devices d join contracts c on c.id = d.contract_id",
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// What only this process holds, of a server on this machine.
fn private_kib(pid: i32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .context("the server has to run on this machine")?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    Ok(kib("Private_Clean").unwrap_or(0) + kib("Private_Dirty").unwrap_or(0))
}

fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
