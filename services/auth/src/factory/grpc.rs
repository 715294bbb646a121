use std::sync::Arc;

use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource};
use yard_pg::{Actor, Pg, TenantTx};

use super::birth::Authority;
use super::store::{self, New, Row};
use crate::secrets;

const LONGEST_NAME: usize = 120;
/// In force at a time; each is one signature check more for who shows a certificate of that name.
const MOST: i64 = 32;
const LISTED: i64 = 500;

/// Manufacturers' CAs, as `DeviceTrustService` asks for them.
#[derive(Clone)]
pub(crate) struct Factories {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
}

impl Factories {
    async fn tenant_tx(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(TenantTx::begin(&self.pg, caller.tenant()?, &actor).await?)
    }

    pub(crate) async fn register(
        &self,
        caller: &Caller,
        request: wire::RegisterFactoryAuthorityRequest,
    ) -> Result<wire::FactoryAuthority, Fault> {
        let name = request.name.trim();
        let length = name.chars().count();
        if !(1..=LONGEST_NAME).contains(&length) || name.contains(char::is_control) {
            return Err(Fault::invalid("name has 1 to 120 characters").with_pointer("/name"));
        }
        let now = self.clock.now();
        let authority = Authority::read(&request.certificate_pem, now).map_err(|wrong| {
            Fault::invalid(format!("the certificate {wrong}")).with_pointer("/certificate_pem")
        })?;
        let tenant = caller.tenant()?;
        if !authority.has_signed_for(tenant, &request.proof_pem) {
            let text =
                format!("the CA has to have signed a certificate for CN=switchyard {tenant}");
            return Err(Fault::invalid(text).with_pointer("/proof_pem"));
        }
        let mut tx = self.tenant_tx(caller).await?;
        if store::in_force(&mut tx).await? >= MOST {
            return Err(Fault::invalid("32 factory authorities are in force already"));
        }
        let new = New {
            id: self.ids.uuid7(),
            name,
            fingerprint: &secrets::sha256_of(&authority.der),
            authority: &authority,
            created_by: caller.subject(),
            now,
        };
        let row = store::insert(&mut tx, &new).await?;
        let row =
            row.ok_or_else(|| Fault::new(Code::ResourceExists).with_pointer("/certificate_pem"))?;
        tx.commit().await?;
        Ok(authority_of(row))
    }

    pub(crate) async fn list(
        &self,
        caller: &Caller,
    ) -> Result<wire::ListFactoryAuthoritiesResponse, Fault> {
        let mut tx = self.tenant_tx(caller).await?;
        let rows = store::list(&mut tx, LISTED).await?;
        tx.commit().await?;
        let authorities = rows.into_iter().map(authority_of).collect();
        Ok(wire::ListFactoryAuthoritiesResponse { authorities })
    }

    pub(crate) async fn withdraw(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::FactoryAuthority, Fault> {
        let id: Uuid = id.parse().map_err(|e| Fault::new(Code::ResourceNotFound).with_source(e))?;
        let mut tx = self.tenant_tx(caller).await?;
        let row = store::withdraw(&mut tx, id, self.clock.now()).await?;
        let row = row.ok_or(Code::ResourceNotFound)?;
        tx.commit().await?;
        Ok(authority_of(row))
    }
}

fn authority_of(row: Row) -> wire::FactoryAuthority {
    wire::FactoryAuthority {
        authority_id: row.id.as_hyphenated().to_string(),
        name: row.name,
        subject: row.subject,
        fingerprint: secrets::hex(&row.fingerprint),
        not_after: Some(timestamp(row.not_after)),
        created_at: Some(timestamp(row.created_at)),
        withdrawn_at: row.withdrawn_at.map(timestamp),
    }
}
