use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use time::Duration as Span;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, RpcResult as _};
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::registration_service_server::RegistrationService;
use yard_fault::{Code, Fault};

use super::store::{self, NewWish};
use super::wish::Wish;
use super::{GOOD_FOR, RegistrationParts};
use crate::rounds::Rounds;
use crate::sessions::{Client, whole_seconds};
use crate::telemetry;

/// What requests are counted as.
const KIND: &str = "registration";

/// Serves `RegistrationService`.
pub(super) struct RegistrationGrpc {
    pub(super) parts: Arc<RegistrationParts>,
    pub(super) clerk: Rounds,
}

#[async_trait]
impl RegistrationService for RegistrationGrpc {
    async fn get_registration_terms(
        &self,
        _request: Request<wire::GetRegistrationTermsRequest>,
    ) -> Result<Response<wire::RegistrationTerms>, Status> {
        Ok(Response::new(wire::RegistrationTerms { open: self.parts.rules.open }))
    }

    async fn register(
        &self,
        request: Request<wire::RegisterRequest>,
    ) -> Result<Response<wire::RegisterResponse>, Status> {
        let call = Call::of(&request);
        let source = Client::of(request.metadata()).source();
        let done = self.ask(&call, request.get_ref(), source).await;
        done.map(|()| wire::RegisterResponse {}).rpc(&call, "take a wish for a tenant")
    }

    async fn show_registration(
        &self,
        request: Request<wire::ShowRegistrationRequest>,
    ) -> Result<Response<wire::Registration>, Status> {
        let call = Call::of(&request);
        self.show(&call, &request.get_ref().token).await.rpc(&call, "show a registration")
    }

    async fn confirm_registration(
        &self,
        request: Request<wire::ConfirmRegistrationRequest>,
    ) -> Result<Response<wire::Registration>, Status> {
        let call = Call::of(&request);
        self.confirm(&call, request.into_inner()).await.rpc(&call, "confirm a registration")
    }

    async fn claim_registration(
        &self,
        request: Request<wire::ClaimRegistrationRequest>,
    ) -> Result<Response<wire::Registration>, Status> {
        let call = Call::of(&request);
        self.claim(&call, request.get_ref()).await.rpc(&call, "claim a registration")
    }
}

impl RegistrationGrpc {
    /// The same for everybody: a row is written, and nobody and nothing is looked up. What a network
    /// is told of its own requests says nothing about an address.
    async fn ask(
        &self,
        call: &Call,
        request: &wire::RegisterRequest,
        source: Option<IpAddr>,
    ) -> Result<(), Fault> {
        let RegistrationParts { clock, ids, rules, throttle, .. } = &*self.parts;
        self.parts.admit()?;
        let wish = Wish::of(request)?;
        if let Some(wait) = throttle.count_from(KIND, rules.network_limit(), source).await {
            return Err(asked_enough(wait));
        }
        let now = clock.now();
        let mut tx = self.parts.begin(&call.caller).await?;
        store::lock(&mut tx, "asked").await?;
        let asked = store::asked_since(&mut tx, now - Span::days(1)).await?;
        if asked >= i64::from(rules.asked_per_day) {
            let text = "As many have asked in 24 hours as may; ask again tomorrow.";
            return Err(Fault::new(Code::RateLimited).with_public(text));
        }
        let id = ids.uuid7();
        store::insert(&mut tx, &NewWish { id, wish: &wish, at: now, until: now + GOOD_FOR })
            .await?;
        tx.commit().await?;
        telemetry::registration("asked");
        self.clerk.wake();
        Ok(())
    }
}

fn asked_enough(wait: Duration) -> Fault {
    let text = "Your network has asked as often as it may; ask again later.";
    Fault::new(Code::RateLimited).with_public(text).with_retry_after(whole_seconds(wait))
}
