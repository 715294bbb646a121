use std::sync::Arc;

use yard_authn::audit::{Auditor, Origin};
use yard_fault::{Classify as _, Code, Fault};
use yard_ids::{Clock, DeviceId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::birth::Birth;
use super::{proof, store};
use crate::ca::{CsrError, DeviceCa, DeviceKey, Issued};
use crate::devices::{ENROLL, Enrolled, counted, insert_certificate};
use crate::telemetry;

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

    /// Enrols a client that TLS has proved to hold the key of the certificate it shows; the trail is
    /// told of it as of the RPC.
    ///
    /// # Errors
    /// `enrollment.factory_refused`; `enrollment.csr_invalid`.
    pub(crate) async fn by_tls(
        &self,
        shown: &[u8],
        key: DeviceKey,
        auditor: &Auditor,
        origin: Origin,
    ) -> Result<Issued, Fault> {
        let work = async {
            let enrolled = counted(self.attempt(shown, &key).await)?;
            let notes = enrolled.notes();
            Ok((enrolled.issued, notes))
        };
        auditor.carry_out(ENROLL, origin, work).await
    }

    /// Enrols whoever has signed the request with the key of that certificate.
    ///
    /// # Errors
    /// `enrollment.factory_refused`; `enrollment.csr_invalid`.
    pub(crate) async fn by_signature(
        &self,
        certificate_pem: &str,
        csr_pem: &str,
        signature: &[u8],
    ) -> Result<Enrolled, Fault> {
        let done = async {
            let key = DeviceKey::of_request(csr_pem).map_err(|refused| refused.into_fault())?;
            let shown = proof::proved(certificate_pem, csr_pem, signature);
            self.attempt(&shown.ok_or(Code::EnrollmentFactoryRefused)?, &key).await
        };
        counted(done.await)
    }

    async fn attempt(&self, shown: &[u8], key: &DeviceKey) -> Result<Enrolled, Fault> {
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
        Ok(Enrolled { tenant, device, issued })
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
