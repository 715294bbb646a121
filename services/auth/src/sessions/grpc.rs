use time::Duration;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::session_service_server::SessionService;
use yard_contracts::identity::v1::{
    CompleteLoginRequest, ExchangeSessionRequest, ExchangeSessionResponse, GetMeRequest,
    LoginRequest, LoginResponse, LogoutRequest, LogoutResponse, Me,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, PlatformTx};

use super::answer::{asked, by_token, me_of, note_opened, note_person, renewed, set_session};
use super::complete::Completion;
use super::login::{Credentials, Opened, Place, SignIn};
use super::reauthenticate::Again;
use super::{Client, Exchange, Login, OwnSessions, store};
use crate::challenges::ChallengeToken;
use crate::factors::Proof;
use crate::feed::Nudge;
use crate::oauth::Issuer;
use crate::passkeys::Answer;
use crate::rights::{self, Held};
use crate::telemetry;
use crate::tokens::{TokenExchange, is_api_token};

/// Serves `SessionService`.
pub(crate) struct SessionsGrpc {
    pub(crate) login: Login,
    pub(crate) exchange: Exchange,
    pub(crate) tokens: TokenExchange,
    pub(crate) issuer: Issuer,
    pub(crate) own: OwnSessions,
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

    async fn list_sessions(
        &self,
        request: Request<wire::ListSessionsRequest>,
    ) -> Result<Response<wire::ListSessionsResponse>, Status> {
        let call = Call::of(&request);
        self.own.list(&call.caller, request.get_ref()).await.rpc(&call, "list sessions")
    }

    async fn revoke_session(
        &self,
        request: Request<wire::RevokeSessionRequest>,
    ) -> Result<Response<wire::RevokeSessionResponse>, Status> {
        let call = Call::of(&request);
        let done = self.own.revoke(&call.caller, &request.get_ref().session_id).await;
        let own = done.rpc(&call, "end a session")?.into_inner();
        let mut response = Response::new(wire::RevokeSessionResponse {});
        if own {
            set_session(&mut response, ";0");
        }
        Ok(response)
    }

    async fn revoke_other_sessions(
        &self,
        request: Request<wire::RevokeOtherSessionsRequest>,
    ) -> Result<Response<wire::SessionsEnded>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        let done = self.own.revoke_others(&call.caller).await;
        done.map(|ended| wire::SessionsEnded { ended }).rpc(&call, "end other sessions")
    }

    async fn revoke_member_sessions(
        &self,
        request: Request<wire::RevokeMemberSessionsRequest>,
    ) -> Result<Response<wire::SessionsEnded>, Status> {
        let call = Call::of(&request);
        let member = &request.get_ref().principal_id;
        let done = self.own.revoke_of_member(&call.caller, member).await;
        done.map(|ended| wire::SessionsEnded { ended }).rpc(&call, "end a member's sessions")
    }

    async fn reauthenticate(
        &self,
        request: Request<wire::ReauthenticateRequest>,
    ) -> Result<Response<wire::ReauthenticateResponse>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        call.note(|notes| notes.sign_in = true);
        let wire::ReauthenticateRequest { password, totp_code, recovery_code, passkey, delivery } =
            request.into_inner();
        let done = async {
            let by_token = by_token(delivery)?;
            let again = Again::of(password, totp_code, recovery_code, passkey)?;
            Ok((by_token, self.login.reauthenticate(&call.caller, again).await?))
        };
        let (by_token, done) = done.await.rpc(&call, "prove again who someone is")?.into_inner();
        let expires_at = Some(timestamp(done.expires_at));
        Ok(renewed(&done, by_token, self.exchange.clock.now(), |session_token| {
            wire::ReauthenticateResponse { expires_at, session_token }
        }))
    }

    async fn change_password(
        &self,
        request: Request<wire::ChangePasswordRequest>,
    ) -> Result<Response<wire::ChangePasswordResponse>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        let wire::ChangePasswordRequest { current_password, new_password, delivery } =
            request.into_inner();
        let done = async {
            let by_token = by_token(delivery)?;
            let passwords = [current_password, new_password];
            Ok((by_token, self.login.change_password(&call.caller, passwords).await?))
        };
        let (by_token, done) = done.await.rpc(&call, "change a password")?.into_inner();
        self.own.nudge.now();
        let expires_at = Some(timestamp(done.expires_at));
        let ended = i32::try_from(done.ended).unwrap_or(i32::MAX);
        Ok(renewed(&done, by_token, self.exchange.clock.now(), |session_token| {
            wire::ChangePasswordResponse { ended, expires_at, session_token }
        }))
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
            (_, SignIn::Challenged(challenged)) => Ok(Response::new(asked(challenged))),
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
            let passkey = request.passkey.map(|given| Answer::read(&challenge, &given, "passkey"));
            let passkey = passkey.transpose()?;
            let proof = Proof::of(request.totp_code, request.recovery_code, passkey)?;
            let proof = proof.ok_or_else(|| Fault::new(Code::AuthFactorInvalid))?;
            let completion = Completion { challenge, proof, client };
            Ok((by_token, self.login.complete(completion, call).await?))
        };
        let (by_token, opened) = done.await.rpc(call, "finish a sign-in")?.into_inner();
        self.hand_out(opened, by_token, call).await
    }

    /// Gives the client its session, the way it asked for.
    pub(super) async fn hand_out(
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
            identity_provider_id: caller
                .identity_provider()
                .map(|id| id.as_hyphenated().to_string())
                .unwrap_or_default(),
        })
    }
}
