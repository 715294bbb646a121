use std::sync::Arc;

use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::passkey_service_server::PasskeyService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::IdSource;
use yard_pg::{Actor, Pg, PlatformTx};

use super::{form, store};
use crate::factors::{self, Factors};
use crate::feed::Nudge;
use crate::mail::Post;
use crate::people::{self, Notice};
use crate::sessions::grpc::SessionsGrpc;
use crate::sessions::{Client, SESSION_CHANGED};

/// Serves `PasskeyService`.
pub(crate) struct PasskeysGrpc {
    pub(crate) pg: Pg,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) factors: Factors,
    /// What authenticators call this platform.
    pub(crate) name: String,
    pub(crate) sessions: Arc<SessionsGrpc>,
    pub(crate) nudge: Nudge,
    pub(crate) post: Post,
}

#[async_trait]
impl PasskeyService for PasskeysGrpc {
    async fn begin_passkey_registration(
        &self,
        request: Request<wire::BeginPasskeyRegistrationRequest>,
    ) -> Result<Response<wire::PasskeyRegistration>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        self.begin_registration(&call.caller).await.rpc(&call, "begin to register a passkey")
    }

    async fn complete_passkey_registration(
        &self,
        request: Request<wire::CompletePasskeyRegistrationRequest>,
    ) -> Result<Response<wire::PasskeyAdded>, Status> {
        let call = Call::of(&request);
        let done = self.complete_registration(&call.caller, request.into_inner()).await;
        let mut response = done.rpc(&call, "register a passkey")?;
        self.nudge.now();
        // It can do more now than the gateway remembers.
        let changed = MetadataValue::from_static("1");
        response.metadata_mut().insert(SESSION_CHANGED, changed);
        Ok(response)
    }

    async fn list_passkeys(
        &self,
        request: Request<wire::ListPasskeysRequest>,
    ) -> Result<Response<wire::ListPasskeysResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller).await.rpc(&call, "list passkeys")
    }

    async fn rename_passkey(
        &self,
        request: Request<wire::RenamePasskeyRequest>,
    ) -> Result<Response<wire::Passkey>, Status> {
        let call = Call::of(&request);
        self.rename(&call.caller, request.get_ref()).await.rpc(&call, "rename a passkey")
    }

    async fn remove_passkey(
        &self,
        request: Request<wire::RemovePasskeyRequest>,
    ) -> Result<Response<wire::Factors>, Status> {
        let call = Call::of(&request);
        let passkey = &request.get_ref().passkey_id;
        self.remove(&call.caller, passkey).await.rpc(&call, "take a passkey away")
    }

    async fn begin_passkey_sign_in(
        &self,
        request: Request<wire::BeginPasskeySignInRequest>,
    ) -> Result<Response<wire::PasskeyChallenge>, Status> {
        let call = Call::of(&request);
        self.sessions.login.begin_by_passkey().await.rpc(&call, "begin a sign-in by passkey")
    }

    async fn complete_passkey_sign_in(
        &self,
        request: Request<wire::CompletePasskeySignInRequest>,
    ) -> Result<Response<wire::LoginResponse>, Status> {
        let call = Call::of(&request);
        let client = Client::of(request.metadata());
        self.sessions.sign_in_by_passkey(request.into_inner(), client, &call).await
    }

    async fn begin_passkey_reauthentication(
        &self,
        request: Request<wire::BeginPasskeyReauthenticationRequest>,
    ) -> Result<Response<wire::PasskeyChallenge>, Status> {
        let call = Call::of(&request);
        let begun = self.sessions.login.begin_again_by_passkey(&call.caller).await;
        begun.rpc(&call, "begin a proof by passkey")
    }
}

impl PasskeysGrpc {
    async fn list(&self, caller: &Caller) -> Result<wire::ListPasskeysResponse, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        let rows = store::list(&mut tx, person).await?;
        tx.commit().await?;
        let domain = self.factors.passkeys.domain();
        let passkeys = rows.into_iter().map(|row| row.shown(domain)).collect();
        Ok(wire::ListPasskeysResponse { passkeys })
    }

    async fn rename(
        &self,
        caller: &Caller,
        request: &wire::RenamePasskeyRequest,
    ) -> Result<wire::Passkey, Fault> {
        let person = caller.person()?.uuid();
        let name = form::name(&request.name)?;
        let id = id(&request.passkey_id)?;
        let mut tx = self.begin(caller).await?;
        let row = store::rename(&mut tx, person, id, &name).await?;
        tx.commit().await?;
        let row = row.ok_or_else(|| Fault::new(Code::ResourceNotFound))?;
        Ok(row.shown(self.factors.passkeys.domain()))
    }

    async fn remove(&self, caller: &Caller, passkey: &str) -> Result<wire::Factors, Fault> {
        let person = caller.person()?.uuid();
        let id = id(passkey)?;
        let mut tx = self.begin(caller).await?;
        factors::lock(&mut tx, person).await?;
        if !store::remove(&mut tx, person, id).await? {
            return Err(Code::ResourceNotFound.into());
        }
        self.factors.removed(&mut tx, person).await?;
        let left = self.factors.overview(&mut tx, person).await?;
        self.tell(&mut tx, person, Notice::PasskeyRemoved).await?;
        tx.commit().await?;
        self.post.wake();
        Ok(left)
    }

    /// Writes a mail to the person; wake the post after the commit.
    pub(super) async fn tell(
        &self,
        tx: &mut PlatformTx,
        person: Uuid,
        notice: Notice,
    ) -> Result<(), Fault> {
        let (email, now) = (store::names(tx, person).await?.email, self.factors.clock.now());
        people::tell(tx, &self.post, (person, &email), notice, now).await
    }

    pub(super) async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }
}

impl store::Row {
    /// As its owner sees it where `domain` is the one whose passkeys count.
    pub(super) fn shown(self, domain: Option<&str>) -> wire::Passkey {
        let own = self.rp_id.as_deref().or(domain);
        wire::Passkey {
            passkey_id: self.id.as_hyphenated().to_string(),
            name: self.name,
            created_at: Some(timestamp(self.created_at)),
            last_used_at: self.last_used_at.map(timestamp),
            backup_eligible: self.backup_eligible,
            backed_up: self.backed_up,
            transports: self.transports,
            of_former_domain: own.is_none() || own != domain,
            rp_id: own.unwrap_or_default().to_owned(),
        }
    }
}

fn id(text: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(text).map_err(|_malformed| Code::ResourceNotFound.into())
}

/// Whose passkeys they are is what the audit trail says it was done to.
fn note_person(call: &Call) {
    let Ok(person) = call.caller.person() else { return };
    call.note(|notes| notes.object = Some(("person".to_owned(), person.to_string())));
}
