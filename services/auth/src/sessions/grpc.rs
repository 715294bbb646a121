use time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1::session_service_server::SessionService;
use yard_contracts::identity::v1::{
    CompleteLoginRequest, ExchangeSessionRequest, ExchangeSessionResponse, GetMeRequest,
    LoginRequest, LoginResponse, LogoutRequest, LogoutResponse, Me, SessionDelivery,
    SignInChallenge,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{PrincipalId, TenantId};
use yard_pg::{Actor, PlatformTx};

use super::complete::Completion;
use super::exchange::lacks_factor;
use super::login::{Challenged, Credentials, Opened, Place, SignIn};
use super::{Client, Exchange, Login, SET_SESSION, store};
use crate::challenges::ChallengeToken;
use crate::factors::Proof;
use crate::feed::Nudge;
use crate::oauth::Issuer;
use crate::rights::{self, Held};
use crate::telemetry;
use crate::tokens::{TokenExchange, is_api_token};

/// Serves `SessionService`.
pub(crate) struct SessionsGrpc {
    pub(crate) login: Login,
    pub(crate) exchange: Exchange,
    pub(crate) tokens: TokenExchange,
    pub(crate) issuer: Issuer,
    pub(crate) lifetime: Duration,
    pub(crate) nudge: Nudge,
}

#[async_trait]
impl SessionService for SessionsGrpc {
    async fn login(
        &self,
        request: Request<LoginRequest>,
    ) -> Result<Response<LoginResponse>, Status> {
        let call = Call::of(&request);
        let client = Client::of(request.metadata());
        self.sign_in(request.into_inner(), client, &call).await
    }

    async fn complete_login(
        &self,
        request: Request<CompleteLoginRequest>,
    ) -> Result<Response<LoginResponse>, Status> {
        let call = Call::of(&request);
        let client = Client::of(request.metadata());
        self.finish_sign_in(request.into_inner(), client, &call).await
    }

    async fn logout(
        &self,
        request: Request<LogoutRequest>,
    ) -> Result<Response<LogoutResponse>, Status> {
        let call = Call::of(&request);
        let done = self.sign_out(&call.caller).await.map(|()| LogoutResponse {});
        let mut response = done.rpc(&call, "sign out")?;
        set_session(&mut response, ";0");
        Ok(response)
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<Me>, Status> {
        let call = Call::of(&request);
        self.me(&call.caller).await.rpc(&call, "describe the caller")
    }

    async fn exchange_session(
        &self,
        request: Request<ExchangeSessionRequest>,
    ) -> Result<Response<ExchangeSessionResponse>, Status> {
        let call = Call::of(&request);
        let credential = request.into_inner().session_token;
        let done = if is_api_token(&credential) {
            self.tokens.exchange(&credential).await
        } else if Issuer::is_access_token(&credential) {
            self.issuer.exchange(&credential).await
        } else {
            self.exchange
                .exchange(&credential)
                .await
                .map(|access| (access.token, access.expires_at))
        };
        telemetry::exchange(done.as_ref().map_or_else(|f| f.code().as_str(), |_| "exchanged"));
        let done = done.map(|(access_token, expires_at)| ExchangeSessionResponse {
            access_token,
            expires_at: Some(timestamp(expires_at)),
        });
        done.rpc(&call, "exchange a session")
    }
}

impl SessionsGrpc {
    async fn sign_in(
        &self,
        request: LoginRequest,
        client: Client,
        call: &Call,
    ) -> Result<Response<LoginResponse>, Status> {
        call.note(|notes| notes.sign_in = true);
        let done = async {
            let by_token = by_token(request.delivery)?;
            let LoginRequest { email, password, tenant, .. } = request;
            let credentials = Credentials::new(&email, password, tenant, client)?;
            Ok((by_token, self.login.login(credentials, call).await?))
        };
        match done.await.rpc(call, "sign in")?.into_inner() {
            (_, SignIn::Challenged(challenged)) => Ok(Response::new(asked(&challenged))),
            (by_token, SignIn::Opened(opened)) => self.hand_out(*opened, by_token, call).await,
        }
    }

    async fn finish_sign_in(
        &self,
        request: CompleteLoginRequest,
        client: Client,
        call: &Call,
    ) -> Result<Response<LoginResponse>, Status> {
        call.note(|notes| notes.sign_in = true);
        let done = async {
            let by_token = by_token(request.delivery)?;
            let challenge = ChallengeToken::parse(&request.challenge_token)?;
            let proof = Proof::of(request.totp_code, request.recovery_code)?;
            let proof = proof.ok_or_else(|| Fault::new(Code::AuthFactorInvalid))?;
            let completion = Completion { challenge, proof, client };
            Ok((by_token, self.login.complete(completion, call).await?))
        };
        let (by_token, opened) = done.await.rpc(call, "finish a sign-in")?.into_inner();
        self.hand_out(opened, by_token, call).await
    }

    /// Gives the client its session, the way it asked for.
    async fn hand_out(
        &self,
        opened: Opened,
        by_token: bool,
        call: &Call,
    ) -> Result<Response<LoginResponse>, Status> {
        note_opened(call, &opened);
        let held = self.held(&opened).await.rpc(call, "sign in")?.into_inner();
        let token = opened.token.expose().to_owned();
        let cookie = format!("{token};{}", self.lifetime.whole_seconds());
        let mut response = Response::new(LoginResponse {
            expires_at: Some(timestamp(opened.expires_at)),
            me: Some(me_of(opened, held)),
            session_token: if by_token { token } else { String::new() },
            challenge: None,
        });
        if !by_token {
            set_session(&mut response, &cookie);
        }
        Ok(response)
    }

    /// What the new session may do.
    async fn held(&self, opened: &Opened) -> Result<Held, Fault> {
        let Exchange { pg, clock, .. } = &self.exchange;
        let tenant = match &opened.place {
            Place::Tenant(membership) => Some(membership.tenant_id),
            Place::Platform => None,
        };
        let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
        let person = opened.account.principal_id;
        let held = rights::held(&mut tx, tenant, person, clock.now()).await?;
        tx.commit().await?;
        Ok(held)
    }

    async fn sign_out(&self, caller: &Caller) -> Result<(), Fault> {
        let Some(session) = caller.session() else {
            return Ok(());
        };
        let Exchange { pg, clock, .. } = &self.exchange;
        let mut tx = PlatformTx::begin(pg, &Actor::of_subject(caller.subject())).await?;
        store::revoke(&mut tx, session.uuid(), clock.now()).await?;
        tx.commit().await?;
        self.nudge.now();
        Ok(())
    }

    async fn me(&self, caller: &Caller) -> Result<Me, Fault> {
        let principal = caller.person()?;
        let tenant = caller.tenant_opt();
        let actor = Actor::of_subject(caller.subject());
        let mut tx = PlatformTx::begin(&self.exchange.pg, &actor).await?;
        let tenant_id = tenant.map(yard_ids::TenantId::uuid);
        let names = store::names(&mut tx, principal.uuid(), tenant_id).await?;
        tx.commit().await?;
        Ok(Me {
            principal_id: principal.to_string(),
            email: names.email,
            display_name: names.display_name,
            tenant_id: tenant.map(|id| id.to_string()).unwrap_or_default(),
            tenant_slug: names.slug.unwrap_or_default(),
            tenant_name: names.name.unwrap_or_default(),
            role: caller.role().to_owned(),
            permissions: caller.permissions().to_vec(),
            second_factor_missing: caller.lacks_factor(),
        })
    }
}

fn by_token(delivery: i32) -> Result<bool, Fault> {
    match SessionDelivery::try_from(delivery) {
        Ok(SessionDelivery::Token) => Ok(true),
        Ok(SessionDelivery::Cookie | SessionDelivery::Unspecified) => Ok(false),
        Err(_unknown) => {
            Err(Fault::invalid("delivery is not one of ours").with_pointer("/delivery"))
        }
    }
}

fn asked(challenged: &Challenged) -> LoginResponse {
    let kinds = challenged.enrolled.kinds();
    let challenge = SignInChallenge {
        challenge_token: challenged.token.expose().to_owned(),
        expires_at: Some(timestamp(challenged.expires_at)),
        factors: kinds.into_iter().map(Into::into).collect(),
    };
    LoginResponse { challenge: Some(challenge), ..LoginResponse::default() }
}

/// Tells the audit trail who signed in, and where.
fn note_opened(call: &Call, opened: &Opened) {
    let person = PrincipalId::from_uuid(opened.account.principal_id);
    call.note(|notes| {
        notes.actor = Some(format!("person:{person}"));
        notes.acting_as = Some(opened.place.role().to_owned());
        notes.tenant = match &opened.place {
            Place::Tenant(membership) => Some(TenantId::from_uuid(membership.tenant_id)),
            Place::Platform => None,
        };
    });
}

fn me_of(opened: Opened, held: Held) -> Me {
    let role = opened.place.role().to_owned();
    let missing = lacks_factor(opened.place.requires_factor(), &opened.amr);
    let permissions = if missing { Vec::new() } else { held.permissions };
    let (tenant_id, tenant_slug, tenant_name) = match opened.place {
        Place::Tenant(m) => (m.tenant_id.as_hyphenated().to_string(), m.slug, m.name),
        Place::Platform => Default::default(),
    };
    Me {
        principal_id: opened.account.principal_id.as_hyphenated().to_string(),
        email: opened.account.email,
        display_name: opened.account.display_name,
        tenant_id,
        tenant_slug,
        tenant_name,
        permissions,
        role,
        second_factor_missing: missing,
    }
}

fn set_session<T>(response: &mut Response<T>, value: &str) {
    let value = MetadataValue::try_from(value).expect("a token and a number are visible ASCII");
    response.metadata_mut().insert(SET_SESSION, value);
}
