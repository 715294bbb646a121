use std::sync::Arc;

use time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::factor_service_server::FactorService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::IdSource;
use yard_pg::{Actor, Pg, PlatformTx};

use super::store::{self, TotpSecret};
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
        let factors = self.factors.overview(&mut tx, person).await?;
        tx.commit().await?;
        Ok(factors)
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
        let before = self.factors.enrolled(&mut tx, person).await?;
        store::confirm_totp(&mut tx, person, waiting.id, step, now).await?;
        let shown = ["otp", MULTI_FACTOR];
        let recovery_codes = self.factors.added(&mut tx, caller, before, &shown).await?;
        let factors = Some(self.factors.overview(&mut tx, person).await?);
        tx.commit().await?;
        Ok(wire::FactorChange { factors, recovery_codes })
    }

    async fn remove_totp(&self, caller: &Caller) -> Result<wire::Factors, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        store::lock(&mut tx, person).await?;
        store::remove_totp(&mut tx, person).await?;
        self.factors.removed(&mut tx, person).await?;
        let factors = self.factors.overview(&mut tx, person).await?;
        tx.commit().await?;
        Ok(factors)
    }

    async fn regenerate(&self, caller: &Caller) -> Result<wire::FactorChange, Fault> {
        let person = caller.person()?.uuid();
        let mut tx = self.begin(caller).await?;
        store::lock(&mut tx, person).await?;
        if !self.factors.enrolled(&mut tx, person).await?.any() {
            let text = "recovery codes stand in for a second factor, and there is none";
            return Err(Fault::invalid(text));
        }
        let recovery_codes = self.factors.new_codes(&mut tx, person).await?;
        let factors = Some(self.factors.overview(&mut tx, person).await?);
        tx.commit().await?;
        Ok(wire::FactorChange { factors, recovery_codes })
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
