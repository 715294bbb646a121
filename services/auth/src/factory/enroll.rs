use std::sync::Arc;

use yard_authn::audit::{AuditNotes, Auditor, Origin};
use yard_fault::{Classify as _, Code, Fault};
use yard_ids::{Clock, DeviceId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::birth::Birth;
use super::store;
use crate::ca::{CsrError, DeviceCa, DeviceKey, Issued};
use crate::devices::insert_certificate;
use crate::telemetry;

const ENROLL: &str = "/yard.identity.v1.EnrollmentService/EnrollDevice";

/// Signs a device's first certificate against the one that it was born with.
#[derive(Clone)]
pub(crate) struct FactoryEnrolment {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ca: Arc<DeviceCa>,
}

impl FactoryEnrolment {
    /// Whether a certificate says of itself that it is for this; it proves nothing yet.
    pub(crate) fn is_meant(&self, shown: &[u8]) -> bool {
        Birth::read(shown, self.clock.now()).is_some()
    }

    /// Enrols a client that TLS has proved to hold the key of the certificate it shows.
    ///
    /// # Errors
    /// `enrollment.factory_refused`; `enrollment.csr_invalid`.
    pub(crate) async fn enroll(
        &self,
        shown: &[u8],
        key: DeviceKey,
        auditor: &Auditor,
        origin: Origin,
    ) -> Result<Issued, Fault> {
        let work = async {
            let done = self.attempt(shown, &key).await;
            telemetry::enrolment(match &done {
                Ok(_) => "enrolled",
                Err(fault) => match fault.code() {
                    Code::EnrollmentCsrInvalid => "csr_invalid",
                    Code::EnrollmentFactoryRefused => "factory_refused",
                    _ => "failed",
                },
            });
            done
        };
        auditor.carry_out(ENROLL, origin, work).await
    }

    async fn attempt(&self, shown: &[u8], key: &DeviceKey) -> Result<(Issued, AuditNotes), Fault> {
        let now = self.clock.now();
        let refused = || Fault::new(Code::EnrollmentFactoryRefused);
        let birth = Birth::read(shown, now).ok_or_else(refused)?;
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let candidates = store::of_name(&mut tx, &birth.issuer, now).await?;
        // Two manufacturers may bear one name; the signature tells.
        let tenant = candidates.into_iter().find(|(_, authority)| birth.is_of(authority));
        let (tenant, _) = tenant.ok_or_else(refused)?;
        let (device, issued) = self.certificate(&mut tx, tenant, &birth.serial, key).await?;
        tx.commit().await?;
        let object = Some(("device".to_owned(), device.to_string()));
        Ok((issued, AuditNotes { tenant: Some(tenant), object, ..AuditNotes::default() }))
    }

    /// A new one, or to the same request the same as the first time: a lost answer costs nothing.
    async fn certificate(
        &self,
        tx: &mut PlatformTx,
        tenant: TenantId,
        serial: &str,
        key: &DeviceKey,
    ) -> Result<(DeviceId, Issued), Fault> {
        let now = self.clock.now();
        let Some(device) = store::use_expected(tx, tenant, serial, now).await? else {
            let given = store::given(tx, tenant, serial, key.fingerprint(), now).await?;
            return given.ok_or_else(|| not_expected(tenant));
        };
        let issued = self.ca.issue(key, device, tenant, now)?;
        if !insert_certificate(tx, tenant, device, key.fingerprint(), &issued).await? {
            return Err(CsrError::KeyUsedBefore.into_fault());
        }
        telemetry::certificate_issued();
        let serial = issued.serial.as_str();
        tracing::info!(device.id = %device, tenant.id = %tenant, serial, "device enrolled by its \
            manufacturer's certificate");
        Ok((device, issued))
    }
}

/// Told to devices of a known manufacturer only.
fn not_expected(tenant: TenantId) -> Fault {
    Fault::new(Code::EnrollmentFactoryRefused)
        .with_public("The device's serial number is not expected, or was used already.")
        .with_detail(format!("tenant {tenant}"))
}
