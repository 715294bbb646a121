use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::federation::v1 as wire;
use yard_contracts::federation::v1::authorization_service_server::AuthorizationService;
use yard_fault::Fault;

use super::decision::usable;
use super::{Issuer, scope};

/// Serves `AuthorizationService`.
pub(super) struct AuthorizationGrpc {
    pub(super) issuer: Issuer,
}

#[async_trait]
impl AuthorizationService for AuthorizationGrpc {
    async fn describe_authorization(
        &self,
        request: Request<wire::DescribeAuthorizationRequest>,
    ) -> Result<Response<wire::Authorization>, Status> {
        let call = Call::of(&request);
        self.describe(&request.get_ref().query, &call.caller)
            .await
            .rpc(&call, "describe an authorization")
    }

    async fn decide_authorization(
        &self,
        request: Request<wire::DecideAuthorizationRequest>,
    ) -> Result<Response<wire::DecideAuthorizationResponse>, Status> {
        let call = Call::of(&request);
        self.decide(request.get_ref(), &call).await.rpc(&call, "decide on an authorization")
    }
}

impl AuthorizationGrpc {
    async fn describe(&self, query: &str, caller: &Caller) -> Result<wire::Authorization, Fault> {
        let open = self.issuer.open_request(query, caller).await?;
        let scopes = usable(&open.asked.scopes, caller);
        let consent_required = open.needs_consent();
        let abilities = scope::abilities(scopes.iter().map(String::as_str));
        Ok(wire::Authorization {
            client_id: open.client.id.as_hyphenated().to_string(),
            abilities: abilities.map(str::to_owned).collect(),
            profile: scope::has(&scopes, scope::PROFILE),
            email: scope::has(&scopes, scope::EMAIL),
            offline: scope::has(&scopes, scope::OFFLINE),
            consent_required,
            max_auth_age_seconds: open.asked.max_age.unwrap_or_default(),
            client_name: open.client.name,
        })
    }

    async fn decide(
        &self,
        request: &wire::DecideAuthorizationRequest,
        call: &Call,
    ) -> Result<wire::DecideAuthorizationResponse, Fault> {
        let open = self.issuer.open_request(&request.query, &call.caller).await?;
        let client_id = open.client.id.as_hyphenated().to_string();
        call.note(|notes| notes.object = Some(("oauth_client".to_owned(), client_id.clone())));
        let redirect_to = self.issuer.decide(&open, request.approve, &call.caller).await?;
        Ok(wire::DecideAuthorizationResponse { client_id, redirect_to })
    }
}
