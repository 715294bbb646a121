//! Once a minute: what was added is computed again, and the heads go under a signed root.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_audit::merkle::{Tree, leaf};
use yard_audit::{Hash, Root};
use yard_fault::Fault;
use yard_pg::{Actor, PgError, PlatformTx};

use super::incoming::to_microseconds;
use super::rows::{self, HeadRow};
use super::store::hash_of;
use super::{Desk, chain_name, key_rows, subjects};
use crate::config::AuditConfig;
use crate::telemetry;

const PAGE: i64 = 1_000;
/// Without anything new there is a root an hour all the same: its absence would be an alert.
const QUIET: time::Duration = time::Duration::hours(1);
/// Retention and the sealing keys are looked at once in so many roots.
const UPKEEP_ROUNDS: u32 = 10;
/// People's keys that are sealed anew in one transaction.
const MOST_RESEALED: i64 = 10_000;

/// Runs until the soft stop. Several instances take turns by a lock.
pub(super) async fn run(
    desk: Desk,
    config: AuditConfig,
    soft: CancellationToken,
) -> anyhow::Result<()> {
    let mut root = tokio::time::interval(config.root_interval);
    let mut upkeep = tokio::time::interval(config.root_interval * UPKEEP_ROUNDS);
    loop {
        let outcome = tokio::select! {
            _ = root.tick() => make_root(&desk).await,
            _ = upkeep.tick() => {
                require_keys(&desk).await?;
                keep_up(&desk, config.retention).await
            }
            () = soft.cancelled() => return Ok(()),
        };
        if let Err(fault) = outcome {
            telemetry::audit_root_failure();
            fault.log("", "sign the audit trail");
        }
    }
}

async fn make_root(desk: &Desk) -> Result<(), Fault> {
    let now = to_microseconds(desk.clock.now());
    let mut tx = PlatformTx::begin(&desk.pg, &Actor::service("auth")).await?;
    if !take_turn(&mut tx).await? {
        return Ok(());
    }
    let last = rows::roots(&mut tx, None, 1).await?.into_iter().next();
    let age = last.as_ref().map(|root| now - root.made_at);
    let mut heads = rows::heads(&mut tx).await?;
    for head in &mut heads {
        verify_new(&mut tx, head, now).await?;
    }
    telemetry::audit_problems(heads.iter().filter(|head| !head.problem.is_empty()).count());
    // A chain that is not whole is not signed again.
    heads.retain(|head| head.problem.is_empty());
    let grown = heads.iter().any(|head| head.sequence > head.anchored_sequence);
    if !grown && age.is_some_and(|age| age < QUIET) {
        tx.commit().await?;
        telemetry::audit_root_age(age.unwrap_or_default());
        return Ok(());
    }
    sign(&mut tx, desk, &heads, last.as_ref(), now).await?;
    tx.commit().await?;
    telemetry::audit_root_age(time::Duration::ZERO);
    Ok(())
}

async fn take_turn(tx: &mut PlatformTx) -> Result<bool, PgError> {
    let turn: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock(7203, 9)")
        .fetch_one(&mut **tx)
        .await?;
    Ok(turn)
}

/// Computes again what was added since the last time; notes on the head how far it is right.
async fn verify_new(
    tx: &mut PlatformTx,
    head: &mut HeadRow,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    if !head.problem.is_empty() {
        return Ok(());
    }
    let mut check = Recheck::begin(tx, head).await?;
    while check.problem.is_none() && check.sequence < head.sequence {
        let from = check.sequence;
        let rows = rows::onwards(tx, head.tenant_id, from, head.sequence, PAGE).await?;
        if rows.is_empty() {
            check.problem = Some(format!("entries after {from} are missing"));
        }
        rows.iter().for_each(|row| check.take(row));
    }
    if check.problem.is_none() && check.hash != hash_of(&head.hash) {
        check.problem = Some(format!("the head is not the hash of entry {}", head.sequence));
    }
    if let Some(problem) = check.problem {
        tracing::error!(chain = chain_name(head.tenant_id), problem, "audit chain is not whole");
        head.problem = problem;
    }
    note(tx, head.tenant_id, check.sequence, now, &head.problem).await?;
    head.verified_sequence = check.sequence;
    Ok(())
}

/// A chain being computed again.
struct Recheck {
    sequence: i64,
    hash: Hash,
    problem: Option<String>,
}

impl Recheck {
    /// Begins at the last entry found right; that one has to be there still, and the same.
    async fn begin(tx: &mut PlatformTx, head: &HeadRow) -> Result<Self, Fault> {
        let before = (head.first_sequence - 1, hash_of(&head.first_previous_hash));
        let at = head.verified_sequence.max(before.0);
        if at == before.0 {
            return Ok(Self { sequence: at, hash: before.1, problem: None });
        }
        let rows = rows::onwards(tx, head.tenant_id, at - 1, at, 1).await?;
        let same = rows
            .first()
            .filter(|row| row.entry().hash(&hash_of(&row.previous_hash)) == hash_of(&row.hash));
        Ok(match same {
            Some(row) => Self { sequence: at, hash: hash_of(&row.hash), problem: None },
            None => {
                let problem = Some(format!("entry {at} was changed or is missing"));
                Self { sequence: at, hash: Hash::ZERO, problem }
            }
        })
    }

    fn take(&mut self, row: &rows::Stored) {
        if self.problem.is_some() {
            return;
        }
        let follows = row.sequence == self.sequence + 1 && hash_of(&row.previous_hash) == self.hash;
        if !follows || row.entry().hash(&self.hash) != hash_of(&row.hash) {
            self.problem =
                Some(format!("entry {} does not follow {}", row.sequence, self.sequence));
            return;
        }
        (self.sequence, self.hash) = (row.sequence, hash_of(&row.hash));
    }
}

async fn note(
    tx: &mut PlatformTx,
    chain: Uuid,
    verified: i64,
    now: OffsetDateTime,
    problem: &str,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.audit_heads set verified_sequence = $2, verified_at = $3, problem = $4 \
         where tenant_id = $1",
    )
    .bind(chain)
    .bind(verified)
    .bind(now)
    .bind(problem)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn sign(
    tx: &mut PlatformTx,
    desk: &Desk,
    heads: &[HeadRow],
    last: Option<&Root>,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let leaves = heads
        .iter()
        .map(|head| leaf(&chain_name(head.tenant_id), head.sequence, &hash_of(&head.hash)));
    let Some(tree) = Tree::over(leaves.collect()) else { return Ok(()) };
    let number = last.map_or(1, |root| root.number + 1);
    let previous = last.map_or(Hash::ZERO, Root::digest);
    let root = Root::sign(&desk.key, number, now, tree.root(), previous);
    insert_root(tx, &root).await?;
    for (position, head) in heads.iter().enumerate() {
        if head.sequence > head.anchored_sequence {
            let path: Vec<String> = tree.path(position).iter().map(ToString::to_string).collect();
            anchor(tx, head, number, &path).await?;
        }
    }
    Ok(())
}

async fn insert_root(tx: &mut PlatformTx, root: &Root) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.audit_roots \
           (number, made_at, merkle_root, previous_digest, digest, key_id, signature) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(root.number)
    .bind(root.made_at)
    .bind(root.merkle_root.as_bytes().as_slice())
    .bind(root.previous_digest.as_bytes().as_slice())
    .bind(root.digest().as_bytes().as_slice())
    .bind(&root.key_id)
    .bind(&root.signature)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn anchor(
    tx: &mut PlatformTx,
    head: &HeadRow,
    root: i64,
    path: &[String],
) -> Result<(), PgError> {
    sqlx::query(
        "with made as (insert into platform.audit_anchors \
           (tenant_id, sequence, root_number, path) values ($1, $2, $3, $4)) \
         update platform.audit_heads set anchored_sequence = $2 where tenant_id = $1",
    )
    .bind(head.tenant_id)
    .bind(head.sequence)
    .bind(root)
    .bind(path)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends the service when people's keys are sealed with one that its file lacks: every record about
/// them would fail.
async fn require_keys(desk: &Desk) -> anyhow::Result<()> {
    let kids = async {
        let mut tx = PlatformTx::begin(&desk.pg, &Actor::service("auth")).await?;
        key_rows::sealing_kids(&mut tx).await
    };
    match kids.await {
        Ok(kids) => Ok(desk.sealer.require(kids.iter().map(String::as_str))?),
        Err(error) => {
            tracing::warn!(error = %error, "sealing keys not checked; asked again later");
            Ok(())
        }
    }
}

/// After a change of the sealing key, and at the end of retention.
async fn keep_up(desk: &Desk, retention: Duration) -> Result<(), Fault> {
    let mut tx = PlatformTx::begin(&desk.pg, &Actor::service("auth")).await?;
    subjects::reseal(&mut tx, &desk.sealer, MOST_RESEALED).await?;
    tx.commit().await?;
    retain(desk, retention).await
}

/// Takes out what is older than its retention; `ZERO` keeps everything.
async fn retain(desk: &Desk, retention: Duration) -> Result<(), Fault> {
    if retention.is_zero() {
        return Ok(());
    }
    let before = desk.clock.now() - retention;
    let mut tx = PlatformTx::begin(&desk.pg, &Actor::service("auth")).await?;
    let chains = rows::heads(&mut tx).await?;
    tx.commit().await?;
    for head in chains {
        let mut tx = PlatformTx::begin(&desk.pg, &Actor::service("auth")).await?;
        let removed: i64 = sqlx::query_scalar("select platform.audit_prune($1, $2)")
            .bind(head.tenant_id)
            .bind(before)
            .fetch_one(&mut *tx)
            .await
            .map_err(PgError::from)?;
        tx.commit().await?;
        telemetry::audit_pruned(removed);
    }
    Ok(())
}
