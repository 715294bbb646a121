use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use yard_authn::audit::{AuditNotes, Auditor, Origin};
use yard_fault::{Classify as _, Code, Fault};
use yard_ids::{Clock, DeviceId, TenantId};
use yard_pg::{Actor, Pg, PlatformTx};

use super::store::{self, Holder, NewRenewal};
use super::{Standing, proof};
use crate::ca::{CsrError, DeviceCa, DeviceKey, Issued};
use crate::telemetry;

const RENEW: &str = "/yard.identity.v1.DeviceTrustService/RenewCertificate";
/// How long the renewed certificate holds beside the new one.
const OVERLAP: Duration = Duration::days(7);
/// How long after its expiry a certificate still renews, into quarantine.
const LATEST: Duration = Duration::days(30);
/// Certificates in force of one device. A device that loses the answer and its new key asks with
/// another key, and the old certificate must not be the way to any number of new ones.
const MOST_IN_FORCE: i64 = 4;

/// Signs certificates for devices that hold one.
#[derive(Clone)]
pub(crate) struct Renewals {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ca: Arc<DeviceCa>,
    pub(crate) standing: Standing,
}

/// A device with its next certificate.
#[derive(Debug)]
pub(crate) struct Renewed {
    pub(crate) tenant: TenantId,
    pub(crate) device: DeviceId,
    pub(crate) issued: Issued,
    pub(crate) quarantined: bool,
}

impl Renewals {
    /// Renews for whoever signed the request with the certificate's key.
    ///
    /// # Errors
    /// `enrollment.csr_invalid`, `enrollment.renewal_refused`, `service.unavailable`.
    pub(super) async fn by_signature(
        &self,
        serial: &str,
        csr_pem: &str,
        signature: &[u8],
    ) -> Result<Renewed, Fault> {
        let done = async {
            let key = DeviceKey::of_request(csr_pem).map_err(|refused| refused.into_fault())?;
            let proved = |pem: &str| proof::holds(pem, serial, csr_pem, signature);
            self.attempt(serial, &key, proved).await
        };
        count(done.await)
    }

    /// Renews for a client that TLS has proved to hold the key of the certificate it shows; the
    /// trail is told of it as of the RPC.
    ///
    /// # Errors
    /// `enrollment.csr_invalid`, `enrollment.renewal_refused`, `service.unavailable`.
    pub(crate) async fn by_tls(
        &self,
        shown: &[u8],
        key: DeviceKey,
        auditor: &Auditor,
        origin: Origin,
    ) -> Result<Issued, Fault> {
        let serial = proof::serial(shown).ok_or(Code::EnrollmentRenewalRefused)?;
        let work = async {
            let proved = |pem: &str| proof::is_same(pem, shown);
            let renewed = count(self.attempt(&serial, &key, proved).await)?;
            let object = Some(("device".to_owned(), renewed.device.to_string()));
            let tenant = Some(renewed.tenant);
            Ok((renewed.issued, AuditNotes { tenant, object, ..AuditNotes::default() }))
        };
        auditor.carry_out(RENEW, origin, work).await
    }

    async fn attempt(
        &self,
        serial: &str,
        key: &DeviceKey,
        proved: impl FnOnce(&str) -> bool + Send,
    ) -> Result<Renewed, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        // Unknown and not proved are answered alike, and nothing is locked for strangers.
        let pem = store::certificate_pem(&mut tx, serial).await?;
        if !pem.is_some_and(|pem| proved(&pem)) {
            return Err(Code::EnrollmentRenewalRefused.into());
        }
        let holder = store::lock_holder(&mut tx, serial).await?;
        let holder = holder.ok_or_else(|| refused("the device or its tenant is disabled"))?;
        let (issued, fresh) = self.certificate(&mut tx, serial, &holder, key).await?;
        let standing = store::standing(&mut tx, holder.device()).await?;
        let quarantined = standing.is_some_and(|standing| standing.is_quarantined());
        tx.commit().await?;
        // Given out only once nothing is accepted of the device: otherwise it would be believed
        // until that is known.
        if quarantined && !self.standing.tell(holder.device()).await? {
            return Err(Fault::new(Code::ServiceUnavailable)
                .with_detail("device-ingest has not confirmed the quarantine"));
        }
        let (tenant, device) = (holder.tenant(), holder.device());
        if fresh {
            telemetry::certificate_issued();
            let serial = issued.serial.as_str();
            tracing::info!(device.id = %device, tenant.id = %tenant, serial, quarantined,
                "certificate renewed");
        }
        Ok(Renewed { tenant, device, issued, quarantined })
    }

    /// The certificate, and whether it was made just now.
    async fn certificate(
        &self,
        tx: &mut PlatformTx,
        serial: &str,
        holder: &Holder,
        key: &DeviceKey,
    ) -> Result<(Issued, bool), Fault> {
        let now = self.clock.now();
        let late = check(holder, now)?;
        if let Some(before) = store::successor(tx, serial, key.fingerprint(), now).await? {
            return Ok((before, false));
        }
        let standing = store::standing(tx, holder.device()).await?;
        if standing.is_some_and(|standing| standing.is_refused()) {
            return Err(refused("an operator has refused the device"));
        }
        let others = store::others(tx, holder, serial, now).await?;
        if others.revoked > 0 {
            return Err(refused("a later certificate of the device was revoked"));
        }
        if late && others.unrelated > 0 {
            return Err(refused("it has expired, and the device holds another in force"));
        }
        if others.in_force >= MOST_IN_FORCE {
            return Err(refused("the device has four certificates in force already"));
        }
        let issued = self.ca.issue(key, holder.device(), holder.tenant(), now)?;
        let key_sha256 = key.fingerprint();
        let same_key = holder.public_key_sha256.as_deref() == Some(key_sha256.as_slice());
        let new = NewRenewal { holder, renews: serial, issued: &issued, key_sha256, same_key };
        if !store::insert(tx, &new).await? {
            return Err(CsrError::KeyUsedBefore.into_fault());
        }
        store::supersede(tx, holder, now + OVERLAP, &issued.serial).await?;
        if late {
            store::quarantine(tx, holder, now).await?;
        }
        Ok((issued, true))
    }
}

/// Whether it is a late renewal, if it is one at all.
fn check(holder: &Holder, now: OffsetDateTime) -> Result<bool, Fault> {
    if holder.revoked_at.is_some() || holder.superseded_at.is_some_and(|at| at <= now) {
        return Err(refused("it is revoked"));
    }
    if now > holder.not_after + LATEST {
        return Err(refused("it expired more than 30 days ago"));
    }
    Ok(now > holder.not_after)
}

/// Told to those only who have proved to hold the key.
fn refused(why: &str) -> Fault {
    Fault::new(Code::EnrollmentRenewalRefused)
        .with_public(format!("The certificate cannot be renewed: {why}."))
}

fn count(done: Result<Renewed, Fault>) -> Result<Renewed, Fault> {
    telemetry::renewal(match &done {
        Ok(renewed) if renewed.quarantined => "quarantined",
        Ok(_) => "renewed",
        Err(fault) => match fault.code() {
            Code::EnrollmentCsrInvalid => "csr_invalid",
            Code::EnrollmentRenewalRefused => "refused",
            _ => "failed",
        },
    });
    done
}
