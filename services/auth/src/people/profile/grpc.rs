use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::profile_service_server::ProfileService;
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_pg::PlatformTx;

use super::store::{self, Changes, Row};
use crate::people::{PeopleParts, fields};
use crate::tenancy::names;

/// Serves `ProfileService`.
pub(crate) struct ProfileGrpc {
    pub(crate) parts: Arc<PeopleParts>,
}

#[async_trait]
impl ProfileService for ProfileGrpc {
    async fn get_profile(
        &self,
        request: Request<wire::GetProfileRequest>,
    ) -> Result<Response<wire::Profile>, Status> {
        let call = Call::of(&request);
        self.get(&call.caller).await.rpc(&call, "show a profile")
    }

    async fn update_profile(
        &self,
        request: Request<wire::UpdateProfileRequest>,
    ) -> Result<Response<wire::Profile>, Status> {
        let call = Call::of(&request);
        self.update(&call.caller, request.into_inner()).await.rpc(&call, "change a profile")
    }

    async fn request_email_verification(
        &self,
        request: Request<wire::RequestEmailVerificationRequest>,
    ) -> Result<Response<wire::RequestEmailVerificationResponse>, Status> {
        let call = Call::of(&request);
        let done = self.send_proof(&call.caller).await;
        done.map(|()| wire::RequestEmailVerificationResponse {}).rpc(&call, "send a proof")
    }

    async fn request_email_change(
        &self,
        request: Request<wire::RequestEmailChangeRequest>,
    ) -> Result<Response<wire::Profile>, Status> {
        let call = Call::of(&request);
        let email = request.into_inner().email;
        self.ask_change(&call.caller, &email).await.rpc(&call, "ask for another address")
    }

    async fn cancel_email_change(
        &self,
        request: Request<wire::CancelEmailChangeRequest>,
    ) -> Result<Response<wire::Profile>, Status> {
        let call = Call::of(&request);
        self.cancel_change(&call.caller).await.rpc(&call, "keep the address")
    }
}

impl ProfileGrpc {
    async fn get(&self, caller: &Caller) -> Result<wire::Profile, Fault> {
        let mut tx = self.parts.begin(caller).await?;
        let found = self.own(&mut tx, caller).await?;
        tx.commit().await?;
        let profile = wired(found);
        // Where else somebody takes their account is not what a tenant's provider is for.
        let own = caller.identity_provider().is_none();
        Ok(wire::Profile { email_change: profile.email_change.filter(|_| own), ..profile })
    }

    async fn update(
        &self,
        caller: &Caller,
        request: wire::UpdateProfileRequest,
    ) -> Result<wire::Profile, Fault> {
        let wanted = request.profile.ok_or_else(|| Fault::invalid("profile is missing"))?;
        let mut changes = Changes::default();
        for path in request.update_mask.unwrap_or_default().paths {
            match path.as_str() {
                "display_name" => {
                    changes.display_name = Some(fields::display_name(&wanted.display_name)?);
                }
                "locale" => changes.locale = Some(or_empty(&wanted.locale, names::locale)?),
                "time_zone" => {
                    changes.time_zone = Some(or_empty(&wanted.time_zone, names::time_zone)?);
                }
                _ => {
                    let text = "update_mask may name display_name, locale, time_zone";
                    return Err(Fault::invalid(text).with_pointer("/update_mask"));
                }
            }
        }
        let mut tx = self.parts.begin(caller).await?;
        store::change(&mut tx, caller.person()?.uuid(), &changes).await?;
        let changed = self.own(&mut tx, caller).await?;
        tx.commit().await?;
        Ok(wired(changed))
    }

    pub(super) async fn own(&self, tx: &mut PlatformTx, caller: &Caller) -> Result<Row, Fault> {
        Ok(store::get(tx, caller.person()?.uuid(), self.parts.clock.now()).await?)
    }
}

/// An empty text means: as the tenant's.
fn or_empty(text: &str, check: impl Fn(&str) -> Result<String, Fault>) -> Result<String, Fault> {
    if text.is_empty() { Ok(String::new()) } else { check(text) }
}

pub(super) fn wired(row: Row) -> wire::Profile {
    let email_change = row.new_email.map(|new_email| wire::EmailChange {
        new_email,
        expires_at: row.change_expires_at.map(timestamp),
        confirmed_by_old: row.old_confirmed_at.is_some(),
        confirmed_by_new: row.new_confirmed_at.is_some(),
    });
    wire::Profile {
        principal_id: row.principal_id.as_hyphenated().to_string(),
        email: row.email,
        email_verified: row.email_verified_at.is_some(),
        display_name: row.display_name,
        locale: row.locale.unwrap_or_default(),
        time_zone: row.time_zone.unwrap_or_default(),
        email_change,
    }
}
