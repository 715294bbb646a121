use std::sync::Arc;

use yard_fault::Fault;
use yard_ids::{Clock, IdSource, TenantId};
use yard_pg::{Pg, PlatformTx};
use yard_runtime::Runtime;

use super::caretaker::Caretaker;
use super::store::{self, Changes};
use super::{names, plans};
use crate::rounds::Rounds;

/// Makes tenants, for operators and for those who registered. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Founder {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    caretaker: Rounds,
}

/// A tenant that is to be.
pub(crate) struct NewTenant<'a> {
    pub(crate) slug: &'a str,
    pub(crate) name: &'a str,
    /// Empty is the standard one.
    pub(crate) plan: &'a str,
    /// `None` is the usual one.
    pub(crate) locale: Option<&'a str>,
}

impl Founder {
    /// Begins to look after tenants.
    pub(crate) fn start(pg: &Pg, runtime: &Runtime) -> Self {
        let caretaker = Caretaker::start(pg, runtime);
        Self { clock: runtime.clock(), ids: runtime.ids(), caretaker }
    }

    /// Writes a tenant down in the caller's transaction; its schema is made once that is committed.
    /// Call [`Founder::wake`] then.
    ///
    /// # Errors
    /// `request.invalid`, `resource.exists` when the slug is another's, of whatever state.
    pub(crate) async fn found(
        &self,
        tx: &mut PlatformTx,
        new: &NewTenant<'_>,
    ) -> Result<TenantId, Fault> {
        let (slug, plan) = (names::slug(new.slug)?, names::plan(new.plan)?);
        let name = names::name(new.name)?;
        let id = TenantId::from_uuid(self.ids.uuid7());
        plans::existing(tx, plan).await?;
        store::insert(tx, id, [slug, &name, plan], self.clock.now()).await?;
        if let Some(locale) = new.locale {
            let locale = Some(names::locale(locale)?);
            store::change(tx, id.uuid(), &Changes { locale, ..Changes::default() }).await?;
        }
        Ok(id)
    }

    /// There is something to do now.
    pub(crate) fn wake(&self) {
        self.caretaker.wake();
    }
}
