use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::Call;
use yard_contracts::tenancy::v1 as wire;
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, TenantId};
use yard_pg::{PgError, PlatformTx};

use super::grpc::RegistrationGrpc;
use super::store::{self, Row};
use super::{MOST_TRIES, show, wish};
use crate::people::{self, LinkToken, NewAccount, OWNER, fields};
use crate::telemetry;
use crate::tenancy::NewTenant;

impl RegistrationGrpc {
    /// With a new account.
    pub(super) async fn confirm(
        &self,
        call: &Call,
        request: wire::ConfirmRegistrationRequest,
    ) -> Result<wire::Registration, Fault> {
        self.parts.admit()?;
        let hash = LinkToken::hash_of(&request.token)?;
        fields::password(&request.password)?;
        let wanted = other_slug(&request.tenant_slug)?;
        let mut tx = self.parts.begin(&call.caller).await?;
        let row = self.open(&mut tx, &hash).await?;
        note_row(call, &row);
        if row.account_in_use {
            return Err(has_account());
        }
        if row.account_disabled {
            return Err(Code::AuthForbidden.into());
        }
        within_tries(row.tries)?;
        self.has_room(&mut tx).await?;
        tx.commit().await?;
        // Only now: a link that leads nowhere costs no hash.
        let password_hash = self.parts.passwords.hash(request.password).await?;
        let now = self.parts.clock.now();
        let account = NewAccount {
            id: row.principal_id.unwrap_or_else(|| self.parts.ids.uuid7()),
            email: &row.email,
            display_name: &row.display_name,
            password_hash: &password_hash,
            locale: row.locale.as_deref(),
            at: now,
            proved: true,
        };
        let mut tx = self.parts.begin(&call.caller).await?;
        self.keep(&mut tx, &hash, now).await?;
        match people::make_account(&mut tx, &account, row.principal_id).await {
            Ok(()) => {}
            // Somebody made or used the account a moment ago.
            Err(PgError::Missing) => return Err(has_account()),
            Err(error) if error.is_taken("people_email_key") => return Err(has_account()),
            Err(error) => return Err(error.into()),
        }
        let slug = wanted.unwrap_or(&row.tenant_slug);
        let tenant = match self.found(&mut tx, &row, slug, account.id, now).await {
            Ok(tenant) => tenant,
            Err(fault) => return Err(tried(tx, &hash, fault).await),
        };
        call.note(|notes| {
            notes.actor = Some(format!("person:{}", account.id.as_hyphenated()));
            notes.acting_as = Some(OWNER.to_owned());
            notes.subject = Some(PrincipalId::from_uuid(account.id));
            notes.tenant = Some(tenant);
        });
        self.finish(call, tx, &hash).await
    }

    /// With the caller's account, of which nothing changes but that its address is proved.
    pub(super) async fn claim(
        &self,
        call: &Call,
        request: &wire::ClaimRegistrationRequest,
    ) -> Result<wire::Registration, Fault> {
        self.parts.admit()?;
        let person = call.caller.person()?.uuid();
        let hash = LinkToken::hash_of(&request.token)?;
        let wanted = other_slug(&request.tenant_slug)?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.begin(&call.caller).await?;
        let row = self.open(&mut tx, &hash).await?;
        note_row(call, &row);
        if row.principal_id != Some(person) {
            let text = "The link went to another address than yours.";
            return Err(Fault::new(Code::AuthForbidden).with_public(text));
        }
        self.keep(&mut tx, &hash, now).await?;
        people::note_verified(&mut tx, person, now).await?;
        let slug = wanted.unwrap_or(&row.tenant_slug);
        let tenant = match self.found(&mut tx, &row, slug, person, now).await {
            Ok(tenant) => tenant,
            Err(fault) => return Err(tried(tx, &hash, fault).await),
        };
        call.note(|notes| notes.copy_to = Some(tenant));
        self.finish(call, tx, &hash).await
    }

    async fn open(&self, tx: &mut PlatformTx, hash: &[u8; 32]) -> Result<Row, Fault> {
        let row = store::find(tx, hash, self.parts.clock.now()).await?;
        let row = row.filter(|row| row.confirmed_at.is_none());
        row.ok_or_else(|| Fault::new(Code::LinkInvalid))
    }

    /// Of two who confirm one link, the second waits here and finds it confirmed, or tried. What
    /// comes after this can be undone and the link still held.
    async fn keep(
        &self,
        tx: &mut PlatformTx,
        hash: &[u8; 32],
        now: OffsetDateTime,
    ) -> Result<(), Fault> {
        let tries = store::keep(tx, hash, now).await?;
        within_tries(tries.ok_or_else(|| Fault::new(Code::LinkInvalid))?)?;
        Ok(store::mark(tx).await?)
    }

    async fn has_room(&self, tx: &mut PlatformTx) -> Result<(), Fault> {
        let since = self.parts.clock.now() - Duration::days(1);
        if store::made_since(tx, since).await? < i64::from(self.parts.rules.made_per_day) {
            return Ok(());
        }
        let text = "As many organizations were made in 24 hours as may be; try again tomorrow.";
        Err(Fault::new(Code::RateLimited).with_public(text))
    }

    /// Makes the tenant as an operator does, with the person as its owner.
    async fn found(
        &self,
        tx: &mut PlatformTx,
        row: &Row,
        slug: &str,
        owner: Uuid,
        now: OffsetDateTime,
    ) -> Result<TenantId, Fault> {
        store::lock(tx, "made").await?;
        self.has_room(tx).await?;
        let new = NewTenant {
            slug,
            name: &row.tenant_name,
            plan: &self.parts.rules.plan,
            locale: row.locale.as_deref(),
        };
        let tenant = self.parts.founder.found(tx, &new).await.map_err(refused)?;
        people::join(tx, tenant, (owner, OWNER), now).await?;
        store::confirm(tx, row.id, tenant, slug, now).await?;
        Ok(tenant)
    }

    async fn finish(
        &self,
        call: &Call,
        mut tx: PlatformTx,
        hash: &[u8; 32],
    ) -> Result<wire::Registration, Fault> {
        let row = store::find(&mut tx, hash, self.parts.clock.now()).await?;
        let row = row.ok_or_else(|| Fault::internal("a registration went away"))?;
        note_row(call, &row);
        tx.commit().await?;
        telemetry::registration("confirmed");
        self.parts.nudge.now();
        self.parts.founder.wake();
        Ok(show::shown(row))
    }
}

/// Bounds how many slugs one link finds to be others'.
fn within_tries(tries: i32) -> Result<(), Fault> {
    if tries < MOST_TRIES {
        return Ok(());
    }
    let text = "This link was tried ten times; ask for another one.";
    Err(Fault::new(Code::AuthThrottled).with_public(text))
}

/// Counts a slug that is another's, and nothing else: not what whoever confirms has to wait for. In
/// the transaction that holds the link, so that of many at once each is counted.
async fn tried(mut tx: PlatformTx, hash: &[u8; 32], fault: Fault) -> Fault {
    if fault.code() != Code::ResourceExists {
        return fault;
    }
    let counted = async {
        store::back_to_mark(&mut tx).await?;
        store::count_try(&mut tx, hash).await?;
        tx.commit().await
    };
    counted.await.map_or_else(Fault::from, |()| fault)
}

fn other_slug(text: &str) -> Result<Option<&str>, Fault> {
    if text.is_empty() { Ok(None) } else { wish::slug(text).map(Some) }
}

/// What a tenant cannot be made for, as whoever confirms can mend it; the plan is not theirs.
fn refused(fault: Fault) -> Fault {
    match fault.code() {
        Code::ResourceExists => {
            let text = "An organization of that slug exists already; confirm with another.";
            Fault::new(Code::ResourceExists).with_public(text).with_pointer("/tenant_slug")
        }
        Code::RequestInvalid => Fault::internal("registration.plan is not among the plans"),
        _ => fault,
    }
}

fn has_account() -> Fault {
    let text = "This address has an account; sign in to it and go on from there.";
    Fault::new(Code::AuthRequired).with_public(text)
}

fn note_row(call: &Call, row: &Row) {
    let id = row.id.as_hyphenated().to_string();
    call.note(|notes| notes.object = Some(("registration".to_owned(), id)));
}
