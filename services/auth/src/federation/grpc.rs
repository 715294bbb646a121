use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::federation::v1 as wire;
use yard_contracts::federation::v1::federated_sign_in_service_server::FederatedSignInService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx};

use super::flow::{Answer, Begun, Why};
use super::{Federation, store};
use crate::sessions::{self, Client};

/// Serves `FederatedSignInService`.
pub(super) struct SignInGrpc {
    pub(super) federation: Federation,
}

#[async_trait]
impl FederatedSignInService for SignInGrpc {
    async fn list_sign_in_providers(
        &self,
        request: Request<wire::ListSignInProvidersRequest>,
    ) -> Result<Response<wire::ListSignInProvidersResponse>, Status> {
        let call = Call::of(&request);
        self.offered(&request.get_ref().tenant).await.rpc(&call, "list ways to sign in")
    }

    async fn begin_federated_sign_in(
        &self,
        request: Request<wire::BeginFederatedSignInRequest>,
    ) -> Result<Response<wire::BeginFederatedSignInResponse>, Status> {
        let call = Call::of(&request);
        self.begin(request.get_ref()).await.rpc(&call, "begin a sign-in")
    }

    async fn complete_federated_sign_in(
        &self,
        request: Request<wire::CompleteFederatedSignInRequest>,
    ) -> Result<Response<wire::CompleteFederatedSignInResponse>, Status> {
        let call = Call::of(&request);
        call.note(|notes| notes.sign_in = true);
        let client = Client::of(request.metadata());
        let done = self.complete(request.get_ref(), &client, &call).await;
        let (answer, cookie) = done.rpc(&call, "complete a sign-in")?.into_inner();
        let mut response = Response::new(answer);
        if let Some(cookie) = cookie {
            sessions::set_session(&mut response, &cookie);
        }
        Ok(response)
    }

    async fn begin_identity_link(
        &self,
        request: Request<wire::BeginIdentityLinkRequest>,
    ) -> Result<Response<wire::BeginFederatedSignInResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().provider_id;
        self.begin_link(id, &call.caller).await.rpc(&call, "begin to link an identity")
    }

    async fn complete_identity_link(
        &self,
        request: Request<wire::CompleteIdentityLinkRequest>,
    ) -> Result<Response<wire::LinkedIdentity>, Status> {
        let call = Call::of(&request);
        let answer = request.get_ref().answer.as_ref();
        self.complete_link(answer, &call.caller).await.rpc(&call, "link an identity")
    }

    async fn list_linked_identities(
        &self,
        request: Request<wire::ListLinkedIdentitiesRequest>,
    ) -> Result<Response<wire::ListLinkedIdentitiesResponse>, Status> {
        let call = Call::of(&request);
        self.links(&call.caller).await.rpc(&call, "list identities")
    }

    async fn delete_linked_identity(
        &self,
        request: Request<wire::DeleteLinkedIdentityRequest>,
    ) -> Result<Response<wire::DeleteLinkedIdentityResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().provider_id;
        self.unlink(id, &call.caller).await.rpc(&call, "take a link away")
    }
}

impl SignInGrpc {
    async fn offered(&self, slug: &str) -> Result<wire::ListSignInProvidersResponse, Fault> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if slug.len() > 63 || !slug.bytes().all(plain) {
            return Err(Fault::invalid("tenant has to be a slug").with_pointer("/tenant"));
        }
        let mut tx = PlatformTx::begin(&self.federation.0.pg, &Actor::service("auth")).await?;
        let rows = store::offered(&mut tx, slug).await?;
        tx.commit().await?;
        let providers = rows.into_iter().map(|(id, name)| wire::SignInProvider {
            provider_id: id.as_hyphenated().to_string(),
            name,
        });
        Ok(wire::ListSignInProvidersResponse { providers: providers.collect() })
    }

    async fn begin(
        &self,
        request: &wire::BeginFederatedSignInRequest,
    ) -> Result<wire::BeginFederatedSignInResponse, Fault> {
        let none = || Fault::new(Code::ResourceNotFound);
        let id = Uuid::try_parse(&request.provider_id).map_err(|_e| none())?;
        let provider = self.federation.provider(id).await?.ok_or_else(none)?;
        let why = if request.anew { Why::SignInAnew } else { Why::SignIn };
        Ok(begun(id, self.federation.begin(&provider, why).await?))
    }

    async fn begin_link(
        &self,
        id: &str,
        caller: &Caller,
    ) -> Result<wire::BeginFederatedSignInResponse, Fault> {
        let none = || Fault::new(Code::ResourceNotFound);
        let id = Uuid::try_parse(id).map_err(|_e| none())?;
        let (tenant, person) = (caller.tenant()?.uuid(), caller.person()?.uuid());
        let provider = self.federation.provider(id).await?;
        let provider = provider.filter(|one| one.tenant_id == tenant).ok_or_else(none)?;
        Ok(begun(id, self.federation.begin(&provider, Why::Link(person)).await?))
    }

    async fn complete(
        &self,
        request: &wire::CompleteFederatedSignInRequest,
        client: &Client,
        call: &Call,
    ) -> Result<(wire::CompleteFederatedSignInResponse, Option<String>), Fault> {
        let by_token = sessions::by_token(request.delivery)?;
        let answer = answer(request.answer.as_ref())?;
        let opened = self.federation.sign_in(&answer, client, call).await?;
        let seconds = (opened.expires_at - self.federation.0.clock.now()).whole_seconds();
        let cookie = (!by_token).then(|| format!("{};{seconds}", opened.token.expose()));
        let answer = wire::CompleteFederatedSignInResponse {
            principal_id: opened.principal.as_hyphenated().to_string(),
            tenant_slug: opened.slug,
            expires_at: Some(timestamp(opened.expires_at)),
            session_token: if by_token { opened.token.expose().to_owned() } else { String::new() },
        };
        Ok((answer, cookie))
    }

    async fn complete_link(
        &self,
        asked: Option<&wire::CallbackAnswer>,
        caller: &Caller,
    ) -> Result<wire::LinkedIdentity, Fault> {
        let (person, tenant) = (caller.person()?, caller.tenant()?);
        let proved = self.federation.link(&answer(asked)?, person, tenant).await?;
        Ok(wire::LinkedIdentity {
            provider_id: proved.provider.id.as_hyphenated().to_string(),
            provider_name: proved.provider.name,
            issuer: proved.provider.issuer,
            subject: proved.identity.subject,
            linked_at: Some(timestamp(self.federation.0.clock.now())),
        })
    }

    async fn links(&self, caller: &Caller) -> Result<wire::ListLinkedIdentitiesResponse, Fault> {
        let (person, tenant) = (caller.person()?.uuid(), caller.tenant()?.uuid());
        let mut tx = PlatformTx::begin(&self.federation.0.pg, &Actor::person(person)).await?;
        let rows = store::links(&mut tx, tenant, person).await?;
        tx.commit().await?;
        let identities = rows.into_iter().map(|row| wire::LinkedIdentity {
            provider_id: row.provider_id.as_hyphenated().to_string(),
            provider_name: row.provider_name,
            issuer: row.issuer,
            subject: row.subject,
            linked_at: Some(timestamp(row.linked_at)),
        });
        Ok(wire::ListLinkedIdentitiesResponse { identities: identities.collect() })
    }

    async fn unlink(
        &self,
        id: &str,
        caller: &Caller,
    ) -> Result<wire::DeleteLinkedIdentityResponse, Fault> {
        let none = || Fault::new(Code::ResourceNotFound);
        let id = Uuid::try_parse(id).map_err(|_e| none())?;
        let (person, tenant) = (caller.person()?.uuid(), caller.tenant()?.uuid());
        let now = self.federation.0.clock.now();
        let mut tx = PlatformTx::begin(&self.federation.0.pg, &Actor::person(person)).await?;
        if !store::unlink(&mut tx, tenant, person, id, now).await? {
            return Err(none());
        }
        tx.commit().await?;
        self.federation.0.nudge.now();
        Ok(wire::DeleteLinkedIdentityResponse { provider_id: id.as_hyphenated().to_string() })
    }
}

fn begun(id: Uuid, begun: Begun) -> wire::BeginFederatedSignInResponse {
    wire::BeginFederatedSignInResponse {
        authorization_url: begun.authorization_url,
        binding: begun.binding,
        provider_id: id.as_hyphenated().to_string(),
    }
}

fn answer(asked: Option<&wire::CallbackAnswer>) -> Result<Answer<'_>, Fault> {
    let missing = || Fault::invalid("answer is missing").with_pointer("/answer");
    let asked = asked.ok_or_else(missing)?;
    let provider = Uuid::try_parse(&asked.provider_id);
    let provider = provider.map_err(|_e| Fault::new(Code::FederationRefused))?;
    Ok(Answer {
        provider,
        state: &asked.state,
        code: &asked.code,
        iss: &asked.iss,
        error: &asked.error,
        binding: &asked.binding,
    })
}
