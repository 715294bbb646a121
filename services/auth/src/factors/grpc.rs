use std::sync::Arc;

use time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::factor_service_server::FactorService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::IdSource;
use yard_pg::{Actor, Pg, PlatformTx};

use super::recovery::{CODES, RecoveryCode};
use super::store::{self, Overview, TotpSecret};
use super::{Factors, MULTI_FACTOR, PURPOSE, totp};
use crate::feed::Nudge;
use crate::{secrets, sessions};

/// How long a secret waits for its first code.
const ENROLMENT: Duration = Duration::minutes(10);

/// Serves `FactorService`.
pub(crate) struct FactorsGrpc {
    pub(crate) pg: Pg,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) factors: Factors,
    pub(crate) issuer: String,
    pub(crate) nudge: Nudge,
}

#[async_trait]
impl FactorService for FactorsGrpc {
    async fn get_factors(
        &self,
        request: Request<wire::GetFactorsRequest>,
    ) -> Result<Response<wire::Factors>, Status> {
        let call = Call::of(&request);
        self.get(&call.caller).await.rpc(&call, "show second factors")
    }

    async fn begin_totp_enrollment(
        &self,
        request: Request<wire::BeginTotpEnrollmentRequest>,
    ) -> Result<Response<wire::TotpEnrollment>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        self.begin_totp(&call.caller).await.rpc(&call, "begin to enrol an authenticator app")
    }

    async fn confirm_totp_enrollment(
        &self,
        request: Request<wire::ConfirmTotpEnrollmentRequest>,
    ) -> Result<Response<wire::FactorChange>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        let done = self.confirm_totp(&call.caller, &request.get_ref().code).await;
        let mut response = done.rpc(&call, "enrol an authenticator app")?;
        self.nudge.now();
        // It can do more now than the gateway remembers.
        let changed = MetadataValue::from_static("1");
        response.metadata_mut().insert(sessions::SESSION_CHANGED, changed);
        Ok(response)
    }

    async fn remove_totp(
        &self,
        request: Request<wire::RemoveTotpRequest>,
    ) -> Result<Response<wire::Factors>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        self.remove_totp(&call.caller).await.rpc(&call, "take an authenticator app away")
    }

    async fn regenerate_recovery_codes(
        &self,
        request: Request<wire::RegenerateRecoveryCodesRequest>,
    ) -> Result<Response<wire::FactorChange>, Status> {
        let call = Call::of(&request);
        note_person(&call);
        self.regenerate(&call.caller).await.rpc(&call, "make recovery codes")
    }
}

impl FactorsGrpc {
    async fn get(&self, caller: &Caller) -> Result<wire::Factors, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        let overview = store::overview(&mut tx, person).await?;
        tx.commit().await?;
        Ok(shown(&overview))
    }

    async fn begin_totp(&self, caller: &Caller) -> Result<wire::TotpEnrollment, Fault> {
        let person = caller.person()?.uuid();
        let plain = secrets::random::<{ totp::SECRET }>()?;
        let (id, now) = (self.ids.uuid7(), self.factors.clock.now());
        let secret = TotpSecret {
            id,
            secret: self.factors.sealer.seal(PURPOSE, id.as_bytes(), &plain)?,
            created_at: now,
        };
        let mut tx = self.begin(caller).await?;
        store::lock(&mut tx, person).await?;
        store::insert_totp(&mut tx, person, &secret).await?;
        let email = store::email(&mut tx, person).await?;
        tx.commit().await?;
        Ok(wire::TotpEnrollment {
            secret: totp::in_base32(&plain),
            otpauth_uri: totp::uri(&self.issuer, &email, &plain),
            expires_at: Some(timestamp(now + ENROLMENT)),
        })
    }

    async fn confirm_totp(&self, caller: &Caller, code: &str) -> Result<wire::FactorChange, Fault> {
        let person = caller.person()?.uuid();
        let now = self.factors.clock.now();
        let mut tx = self.begin(caller).await?;
        store::lock(&mut tx, person).await?;
        let waiting = store::totp_waiting(&mut tx, person).await?;
        let waiting = waiting.filter(|secret| secret.created_at + ENROLMENT > now);
        let waiting = waiting.ok_or_else(|| Fault::new(Code::AuthChallengeExpired))?;
        let step = self.factors.step(&waiting, code, now)?;
        let step = step.ok_or_else(|| Fault::new(Code::AuthFactorInvalid))?;
        let before = store::enrolled(&mut tx, person).await?;
        store::confirm_totp(&mut tx, person, waiting.id, step, now).await?;
        if let Some(session) = caller.session() {
            sessions::mark(&mut tx, session.uuid(), &["otp", MULTI_FACTOR]).await?;
        }
        let codes = if before.any() {
            Vec::new()
        } else {
            // Whoever else is in was let in by the password alone.
            sessions::end_others(&mut tx, person, caller.session(), now).await?;
            self.new_codes(&mut tx, person).await?
        };
        let overview = store::overview(&mut tx, person).await?;
        tx.commit().await?;
        Ok(wire::FactorChange { factors: Some(shown(&overview)), recovery_codes: codes })
    }

    async fn remove_totp(&self, caller: &Caller) -> Result<wire::Factors, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        store::lock(&mut tx, person).await?;
        store::remove_totp(&mut tx, person).await?;
        self.without(&mut tx, person).await?;
        let overview = store::overview(&mut tx, person).await?;
        tx.commit().await?;
        Ok(shown(&overview))
    }

    /// What has to hold once a factor was taken away.
    async fn without(&self, tx: &mut PlatformTx, person: Uuid) -> Result<(), Fault> {
        if store::enrolled(tx, person).await?.any() {
            return Ok(());
        }
        if store::overview(tx, person).await?.required {
            let text = "An organization of yours requires a second factor: add another one first.";
            return Err(Fault::new(Code::AuthSecondFactorRequired).with_public(text));
        }
        store::replace_recovery_codes(tx, person, &[], self.factors.clock.now()).await?;
        Ok(())
    }

    async fn regenerate(&self, caller: &Caller) -> Result<wire::FactorChange, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        store::lock(&mut tx, person).await?;
        if !store::enrolled(&mut tx, person).await?.any() {
            let text = "recovery codes stand in for a second factor, and there is none";
            return Err(Fault::invalid(text));
        }
        let codes = self.new_codes(&mut tx, person).await?;
        let overview = store::overview(&mut tx, person).await?;
        tx.commit().await?;
        Ok(wire::FactorChange { factors: Some(shown(&overview)), recovery_codes: codes })
    }

    async fn new_codes(&self, tx: &mut PlatformTx, person: Uuid) -> Result<Vec<String>, Fault> {
        let codes: Vec<_> =
            std::iter::repeat_with(RecoveryCode::generate).take(CODES).collect::<Result<_, _>>()?;
        let hashes: Vec<_> = codes.iter().map(|code| code.hash(person).to_vec()).collect();
        store::replace_recovery_codes(tx, person, &hashes, self.factors.clock.now()).await?;
        Ok(codes.iter().map(RecoveryCode::written).collect())
    }

    async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }
}

/// Whose factors they are is what the audit trail says it was done to.
fn note_person(call: &Call) {
    let Ok(person) = call.caller.person() else { return };
    call.note(|notes| notes.object = Some(("person".to_owned(), person.to_string())));
}

fn shown(overview: &Overview) -> wire::Factors {
    wire::Factors {
        totp: overview.totp_since.is_some(),
        totp_since: overview.totp_since.map(timestamp),
        recovery_codes_left: i32::try_from(overview.recovery_codes).unwrap_or(i32::MAX),
        required: overview.required,
    }
}
