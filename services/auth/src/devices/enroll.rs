use std::sync::Arc;

use yard_authn::audit::{AuditNotes, Auditor, Origin};
use yard_fault::{Classify as _, Code, Fault};
use yard_ids::{Clock, DeviceId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::claim::ClaimCode;
use super::store;
use crate::ca::{CsrError, DeviceCa, DeviceKey, Issued};
use crate::{renewals, telemetry};

/// What the trail calls an enrolment, whichever way it came.
pub(crate) const ENROLL: &str = "/yard.identity.v1.EnrollmentService/EnrollDevice";

/// Signs a device's first certificate against a claim code.
#[derive(Clone)]
pub(crate) struct Enrolment {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ca: Arc<DeviceCa>,
}

/// A device that now has a certificate.
pub(crate) struct Enrolled {
    pub(crate) tenant: TenantId,
    pub(crate) device: DeviceId,
    pub(crate) issued: Issued,
}

impl Enrolled {
    /// What the trail is told.
    pub(crate) fn notes(&self) -> AuditNotes {
        let object = Some(("device".to_owned(), self.device.to_string()));
        AuditNotes { tenant: Some(self.tenant), object, ..AuditNotes::default() }
    }
}

impl Enrolment {
    /// The request is checked first: a bad one must not cost the code. Code and certificate then
    /// go into one transaction, so that neither is spent without the other.
    ///
    /// # Errors
    /// `enrollment.csr_invalid`; `enrollment.code_invalid` for unknown, used and expired alike.
    pub(super) async fn enroll(&self, code: &str, csr_pem: &str) -> Result<Enrolled, Fault> {
        let key = DeviceKey::of_request(csr_pem).map_err(|refused| refused.into_fault());
        counted(async { self.attempt(code, key?).await }.await)
    }

    /// As [`Self::enroll`], for EST; the trail is told of it as of the RPC.
    pub(crate) async fn by_est(
        &self,
        code: &str,
        key: DeviceKey,
        auditor: &Auditor,
        origin: Origin,
    ) -> Result<Issued, Fault> {
        let work = async {
            let enrolled = counted(self.attempt(code, key).await)?;
            let notes = enrolled.notes();
            Ok((enrolled.issued, notes))
        };
        auditor.carry_out(ENROLL, origin, work).await
    }

    async fn attempt(&self, code: &str, key: DeviceKey) -> Result<Enrolled, Fault> {
        let unknown = || Fault::new(Code::EnrollmentCodeInvalid);
        let code = ClaimCode::parse(code).ok_or_else(unknown)?;
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let claimed = store::use_claim(&mut tx, &code.hash(), now).await?;
        let (tenant, device) = claimed.ok_or_else(unknown)?;
        let issued = self.ca.issue(&key, device, tenant, now)?;
        if !store::insert_certificate(&mut tx, tenant, device, key.fingerprint(), &issued).await? {
            return Err(CsrError::KeyUsedBefore.into_fault());
        }
        renewals::end_by_claim(&mut tx, device, now).await?;
        tx.commit().await?;
        telemetry::certificate_issued();
        let serial = issued.serial.as_str();
        tracing::info!(device.id = %device, tenant.id = %tenant, serial, "device enrolled");
        Ok(Enrolled { tenant, device, issued })
    }
}

/// Notes an attempt in the metrics, whichever way it came.
pub(crate) fn counted(done: Result<Enrolled, Fault>) -> Result<Enrolled, Fault> {
    telemetry::enrolment(match &done {
        Ok(_) => "enrolled",
        Err(fault) => match fault.code() {
            Code::EnrollmentCsrInvalid => "csr_invalid",
            Code::EnrollmentCodeInvalid => "code_invalid",
            Code::EnrollmentFactoryRefused => "factory_refused",
            _ => "failed",
        },
    });
    done
}
