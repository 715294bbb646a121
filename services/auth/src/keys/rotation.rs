use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use yard_authn::seal::{self, Sealer};
use yard_authn::{Identity, Jwk};
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};

use super::Keys;
use super::material::Material;
use super::plan::{self, Key, Rules, State, Step};
use super::ring::PURPOSE;
use super::store::{self, Row};
use crate::config::IssuerConfig;
use crate::feed::Nudge;
use crate::telemetry;

/// How often the plan is looked at, and whether another instance has changed a key.
const LOOK: Duration = Duration::from_secs(5);

const GATHER: Duration = Duration::from_millis(100);

/// What [`Keys`] works with.
pub(crate) struct KeysParts {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sealer: Sealer,
    pub(crate) identity: Identity,
    pub(crate) first: IssuerConfig,
    pub(crate) rules: Rules,
    pub(crate) nudge: Nudge,
}

/// A key before and after.
pub(super) struct Change {
    pub(super) active: Row,
    pub(super) previous: Row,
}

impl KeysParts {
    async fn begin(&self, who: &Actor) -> Result<PlatformTx, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, who).await?;
        store::lock(&mut tx).await?;
        Ok(tx)
    }

    /// Living keys and their generation. The first instance of an installation makes the first key
    /// out of the file.
    pub(super) async fn load_or_begin(&self, first: &[Jwk]) -> anyhow::Result<(Vec<Row>, i64)> {
        let inside = |fault: Fault| anyhow::anyhow!("{}", fault.inside());
        let now = self.clock.now();
        let mut tx = self.begin(&Actor::service("keys")).await.map_err(inside)?;
        if !store::any(&mut tx).await? {
            let material = Material::first(&self.first, first)?;
            self.insert(&mut tx, &material, now).await.map_err(inside)?;
            store::activate(&mut tx, &material.kid, now).await?;
        }
        self.follow_plan(&mut tx, now).await.map_err(inside)?;
        let rows = store::living(&mut tx).await?;
        let sealed = rows.iter().filter_map(|row| row.sealed.as_deref());
        self.sealer.require(sealed.filter_map(seal::kid_of))?;
        self.reseal(&mut tx, &rows).await.map_err(inside)?;
        let generation = store::generation(&mut tx).await?;
        tx.commit().await?;
        Ok((rows, generation))
    }

    async fn insert(
        &self,
        tx: &mut PlatformTx,
        material: &Material,
        now: OffsetDateTime,
    ) -> Result<(), Fault> {
        let sealed = self.sealer.seal(PURPOSE, material.kid.as_bytes(), &material.private)?;
        Ok(store::insert(tx, &material.kid, &material.x, &sealed, now).await?)
    }

    /// Moves private halves under the sealing key that is first in its file.
    async fn reseal(&self, tx: &mut PlatformTx, rows: &[Row]) -> Result<(), Fault> {
        for row in rows {
            let Some(sealed) = row.sealed.as_deref() else { continue };
            if let Some(anew) = self.sealer.reseal(PURPOSE, row.kid.as_bytes(), sealed)? {
                store::reseal(tx, &row.kid, &anew).await?;
                tracing::info!(kid = row.kid, "signing key sealed anew");
            }
        }
        Ok(())
    }

    /// Takes the steps that are due, until none is: a new key may be the next to be promoted.
    async fn follow_plan(&self, tx: &mut PlatformTx, now: OffsetDateTime) -> Result<(), Fault> {
        loop {
            let keys: Vec<Key> = store::living(tx).await?.iter().map(Row::key).collect();
            let steps = plan::due(&keys, now, &self.rules);
            if steps.is_empty() {
                return Ok(());
            }
            for step in &steps {
                self.take(tx, step, now).await?;
            }
        }
    }

    async fn take(
        &self,
        tx: &mut PlatformTx,
        step: &Step,
        now: OffsetDateTime,
    ) -> Result<(), Fault> {
        match step {
            Step::Create => {
                let material = Material::generate()?;
                tracing::info!(kid = material.kid, "signing key pending");
                self.insert(tx, &material, now).await?;
            }
            Step::Promote(kid) => {
                store::retire_active(tx, now).await?;
                store::activate(tx, kid, now).await?;
                tracing::info!(kid, "signing key active");
                telemetry::key_rotated();
            }
            Step::Expire(kid) => {
                store::revoke(tx, kid, "expired", now).await?;
                tracing::info!(kid, "signing key destroyed at its end");
            }
        }
        Ok(())
    }
}

impl Keys {
    /// Follows the plan, and other instances, until the stop.
    ///
    /// # Errors
    /// Never by a passing fault; the return type fits a task.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut changes = self.0.parts.identity.verifier().revocations().changes();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(LOOK) => {}
                // Many changes that come together are one look.
                changed = changes.changed() => {
                    drop(changed);
                    sleep(GATHER).await;
                    changes.mark_unchanged();
                }
            }
            if let Err(fault) = self.look().await {
                tracing::warn!(problem = fault.inside(), "signing keys were not looked at");
            }
        }
        Ok(())
    }

    /// Takes what is due, and what another instance has done.
    pub(super) async fn look(&self) -> Result<(), Fault> {
        let parts = &self.0.parts;
        let mut tx = parts.begin(&Actor::service("keys")).await?;
        parts.follow_plan(&mut tx, parts.clock.now()).await?;
        self.finish(tx).await
    }

    /// Has the pending key take over now.
    ///
    /// # Errors
    /// `key.not_ready` while some verifier may not know it, unless it is an emergency.
    pub(super) async fn rotate(&self, emergency: bool, who: &Actor) -> Result<Change, Fault> {
        let parts = &self.0.parts;
        let now = parts.clock.now();
        let mut tx = parts.begin(who).await?;
        let rows = store::living(&mut tx).await?;
        let keys: Vec<Key> = rows.iter().map(Row::key).collect();
        let pending = plan::of_state(&keys, State::Pending)
            .ok_or_else(|| Fault::internal("no signing key is pending"))?;
        if !emergency && plan::ready_at(pending, &parts.rules) > now {
            return Err(Code::KeyNotReady.into());
        }
        let previous = active_of(&rows)?.kid.clone();
        parts.take(&mut tx, &Step::Promote(pending.kid.clone()), now).await?;
        parts.follow_plan(&mut tx, now).await?;
        self.conclude(tx, &previous).await
    }

    /// Withdraws a key; if it was the active one the pending one takes over.
    ///
    /// # Errors
    /// `resource.not_found`, `key.revoked`.
    pub(super) async fn revoke(
        &self,
        kid: &str,
        reason: &str,
        who: &Actor,
    ) -> Result<Change, Fault> {
        let parts = &self.0.parts;
        let now = parts.clock.now();
        let mut tx = parts.begin(who).await?;
        let row = store::one(&mut tx, kid).await?;
        let row = row.ok_or_else(|| Fault::new(Code::ResourceNotFound))?;
        if row.state() == State::Revoked {
            return Err(Code::KeyRevoked.into());
        }
        store::revoke(&mut tx, kid, reason, now).await?;
        // Without an active key the plan takes the pending one, and without that a new one.
        parts.follow_plan(&mut tx, now).await?;
        self.conclude(tx, kid).await
    }

    async fn conclude(&self, mut tx: PlatformTx, previous: &str) -> Result<Change, Fault> {
        let active = active_of(&store::living(&mut tx).await?)?.clone();
        let previous = store::one(&mut tx, previous).await?;
        let previous = previous.ok_or_else(|| Fault::internal("a signing key has gone"))?;
        self.finish(tx).await?;
        Ok(Change { active, previous })
    }

    /// Commits, and uses what is in force then.
    async fn finish(&self, mut tx: PlatformTx) -> Result<(), Fault> {
        let (rows, generation) = (store::living(&mut tx).await?, store::generation(&mut tx).await?);
        tx.commit().await?;
        if generation == self.generation() {
            return Ok(());
        }
        self.set(&rows, generation).map_err(|e| {
            Fault::internal("the signing keys cannot be used").with_detail(e.to_string())
        })?;
        self.0.parts.nudge.now();
        Ok(())
    }
}

fn active_of(rows: &[Row]) -> Result<&Row, Fault> {
    let active = rows.iter().find(|row| row.state() == State::Active);
    active.ok_or_else(|| Fault::internal("no signing key is active"))
}
