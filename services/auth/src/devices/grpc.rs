use time::{Duration, OffsetDateTime};
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::enrollment_service_server::EnrollmentService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{DeviceId, TenantId};
use yard_pg::{Actor, PlatformTx, TenantTx, page};

use super::claim::ClaimCode;
use super::enroll::{Enrolled, Enrolment};
use super::store::{self, After, Certificate, NewClaim};
use crate::config::MqttConfig;
use crate::factory::FactoryEnrolment;
use crate::revocation::RevocationList;
use crate::telemetry;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
const CODE_LIFE: i32 = 86_400;
const CODE_LIVES: std::ops::RangeInclusive<i32> = 60..=604_800;
const LONGEST_NAME: usize = 120;
const MOST_REGISTERED: usize = 100;
/// Hexadecimal digits of the longest serial that RFC 5280 allows.
const LONGEST_SERIAL: usize = 40;

/// Serves `EnrollmentService`.
pub(crate) struct DevicesGrpc {
    pub(crate) enrolment: Enrolment,
    pub(crate) factory: FactoryEnrolment,
    pub(crate) revocation: RevocationList,
    pub(crate) mqtt: MqttConfig,
}

#[async_trait]
impl EnrollmentService for DevicesGrpc {
    async fn create_claim_code(
        &self,
        request: Request<wire::CreateClaimCodeRequest>,
    ) -> Result<Response<wire::ClaimCode>, Status> {
        let call = Call::of(&request);
        self.create(&call.caller, &request.into_inner()).await.rpc(&call, "create a claim code")
    }

    async fn enroll_device(
        &self,
        request: Request<wire::EnrollDeviceRequest>,
    ) -> Result<Response<wire::EnrollDeviceResponse>, Status> {
        let call = Call::of(&request);
        let enrolled = self.enroll(&request.into_inner()).await;
        if let Ok(enrolled) = &enrolled {
            call.note(|notes| *notes = enrolled.notes());
        }
        enrolled.map(|enrolled| self.answer(enrolled)).rpc(&call, "enroll a device")
    }

    async fn list_device_certificates(
        &self,
        request: Request<wire::ListDeviceCertificatesRequest>,
    ) -> Result<Response<wire::ListDeviceCertificatesResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, &request.into_inner()).await.rpc(&call, "list certificates")
    }

    async fn revoke_certificate(
        &self,
        request: Request<wire::RevokeCertificateRequest>,
    ) -> Result<Response<wire::DeviceCertificate>, Status> {
        let call = Call::of(&request);
        let serial = request.into_inner().serial;
        self.revoke(&call.caller, &serial).await.rpc(&call, "revoke a certificate")
    }

    async fn register_device(
        &self,
        request: Request<wire::RegisterDeviceRequest>,
    ) -> Result<Response<wire::RegisterDeviceResponse>, Status> {
        let call = Call::of(&request);
        let wire::RegisterDeviceRequest { tenant_id, device_id, display_name } =
            request.into_inner();
        let one = wire::RegisteredDevice { device_id, display_name, ..Default::default() };
        let done = self.register(&call.caller, &tenant_id, &[one]).await;
        done.map(|()| wire::RegisterDeviceResponse {}).rpc(&call, "register a device")
    }

    async fn register_devices(
        &self,
        request: Request<wire::RegisterDevicesRequest>,
    ) -> Result<Response<wire::RegisterDevicesResponse>, Status> {
        let call = Call::of(&request);
        let wire::RegisterDevicesRequest { tenant_id, devices } = request.into_inner();
        let done = self.register(&call.caller, &tenant_id, &devices).await;
        done.map(|()| wire::RegisterDevicesResponse {}).rpc(&call, "register devices")
    }
}

impl DevicesGrpc {
    async fn tenant_tx(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(TenantTx::begin(&self.enrolment.pg, caller.tenant()?, &actor).await?)
    }

    async fn create(
        &self,
        caller: &Caller,
        request: &wire::CreateClaimCodeRequest,
    ) -> Result<wire::ClaimCode, Fault> {
        let device = device_id(&request.device_id)?;
        let life = match request.valid_for_seconds {
            0 => CODE_LIFE,
            asked if CODE_LIVES.contains(&asked) => asked,
            _ => {
                return Err(Fault::invalid("valid_for_seconds has to be 60 to 604800")
                    .with_pointer("/valid_for_seconds"));
            }
        };
        let code = ClaimCode::generate()?;
        let now = self.enrolment.clock.now();
        let expires_at = now + Duration::seconds(i64::from(life));
        let claim = NewClaim {
            code_hash: code.hash(),
            device,
            created_by: caller.subject().to_owned(),
            created_at: now,
            expires_at,
        };
        let mut tx = self.tenant_tx(caller).await?;
        if !store::is_device(&mut tx, device).await? {
            return Err(Code::DeviceUnknown.into());
        }
        store::insert_claim(&mut tx, &claim).await?;
        tx.commit().await?;
        Ok(wire::ClaimCode {
            code: code.text(),
            device_id: device.to_string(),
            expires_at: Some(timestamp(expires_at)),
        })
    }

    async fn enroll(&self, request: &wire::EnrollDeviceRequest) -> Result<Enrolled, Fault> {
        let wire::EnrollDeviceRequest { claim_code, csr_pem, .. } = request;
        let wire::EnrollDeviceRequest { factory_certificate_pem, factory_signature, .. } = request;
        if factory_certificate_pem.is_empty() {
            return self.enrolment.enroll(claim_code, csr_pem).await;
        }
        if !claim_code.is_empty() {
            let text = "a claim code and a manufacturer's certificate do not go together";
            return Err(Fault::invalid(text).with_pointer("/factory_certificate_pem"));
        }
        self.factory.by_signature(factory_certificate_pem, csr_pem, factory_signature).await
    }

    fn answer(&self, enrolled: Enrolled) -> wire::EnrollDeviceResponse {
        wire::EnrollDeviceResponse {
            device_id: enrolled.device.to_string(),
            not_after: Some(timestamp(enrolled.issued.not_after)),
            renew_after: Some(timestamp(enrolled.issued.renew_after())),
            certificate_pem: enrolled.issued.pem,
            ca_pem: self.enrolment.ca.pem(),
            mqtt_host: self.mqtt.host.clone(),
            mqtt_port: i32::from(self.mqtt.port),
        }
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListDeviceCertificatesRequest,
    ) -> Result<wire::ListDeviceCertificatesResponse, Fault> {
        let device = device_id(&request.device_id)?;
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<2>(&request.page_token)?.map(after).transpose()?;
        let mut tx = self.tenant_tx(caller).await?;
        if !store::is_device(&mut tx, device).await? {
            return Err(Code::DeviceUnknown.into());
        }
        let now = self.enrolment.clock.now();
        let rows = store::certificates(&mut tx, device, after.as_ref(), most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| {
            page::token(&[&last.not_before.unix_timestamp().to_string(), &last.serial])
        });
        Ok(wire::ListDeviceCertificatesResponse {
            certificates: rows.into_iter().map(|row| certificate(row, now)).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn revoke(
        &self,
        caller: &Caller,
        serial: &str,
    ) -> Result<wire::DeviceCertificate, Fault> {
        if !is_serial(serial) {
            return Err(
                Fault::invalid("serial has to be lower-case hexadecimal").with_pointer("/serial")
            );
        }
        let mut tx = self.tenant_tx(caller).await?;
        let now = self.enrolment.clock.now();
        let Some(revoked) = store::revoke(&mut tx, serial, now).await? else {
            let known = store::certificate_exists(&mut tx, serial).await?;
            let code = if known { Code::CertificateRevoked } else { Code::ResourceNotFound };
            return Err(code.into());
        };
        tx.commit().await?;
        telemetry::certificate_revoked();
        self.revocation.renew_soon();
        Ok(certificate(revoked, now))
    }

    async fn register(
        &self,
        caller: &Caller,
        tenant_id: &str,
        devices: &[wire::RegisteredDevice],
    ) -> Result<(), Fault> {
        let tenant: TenantId =
            tenant_id.parse().map_err(|e| Fault::new(Code::TenantUnknown).with_source(e))?;
        if !(1..=MOST_REGISTERED).contains(&devices.len()) {
            return Err(Fault::invalid("1 to 100 devices at a time").with_pointer("/devices"));
        }
        let actor = Actor::of_subject(caller.subject());
        let mut tx = PlatformTx::begin(&self.enrolment.pg, &actor).await?;
        match store::tenant_state(&mut tx, tenant).await?.as_deref() {
            Some("ready") => {}
            Some("suspended") => return Err(Code::TenantSuspended.into()),
            _ => return Err(Code::TenantUnknown.into()),
        }
        let now = self.enrolment.clock.now();
        for asked in devices {
            register_one(&mut tx, tenant, asked, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn register_one(
    tx: &mut PlatformTx,
    tenant: TenantId,
    asked: &wire::RegisteredDevice,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let device = device_id(&asked.device_id)?;
    for (text, pointer) in
        [(&asked.display_name, "/display_name"), (&asked.expected_serial, "/expected_serial")]
    {
        if text.chars().count() > LONGEST_NAME || text.contains(char::is_control) {
            return Err(
                Fault::invalid("has to be at most 120 plain characters").with_pointer(pointer)
            );
        }
    }
    let owner = store::ensure_principal(tx, tenant, device, &asked.display_name, now).await?;
    if owner != Some(tenant.uuid()) {
        return Err(Fault::new(Code::ResourceExists)
            .with_detail(format!("device {device} is not tenant {tenant}'s")));
    }
    if asked.expect_no_longer {
        store::expect_no_longer(tx, tenant, device).await?;
        return Ok(());
    }
    let serial = asked.expected_serial.as_str();
    if !serial.is_empty() && !store::expect(tx, tenant, device, serial, now).await? {
        return Err(Fault::new(Code::ResourceExists)
            .with_detail(format!("the serial of device {device} is expected of another")));
    }
    Ok(())
}

/// A text that is no id names no device.
fn device_id(text: &str) -> Result<DeviceId, Fault> {
    text.parse().map_err(|e| Fault::new(Code::DeviceUnknown).with_source(e))
}

fn is_serial(text: &str) -> bool {
    let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (1..=LONGEST_SERIAL).contains(&text.len()) && text.bytes().all(digit)
}

fn after([seconds, serial]: [String; 2]) -> Result<After, Fault> {
    let wrong = || Fault::new(Code::PageTokenInvalid);
    // Before 1970 lie times that PostgreSQL does not know.
    let seconds: u32 = seconds.parse().ok().filter(|_| is_serial(&serial)).ok_or_else(wrong)?;
    let seconds = i64::from(seconds);
    let not_before =
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|e| wrong().with_source(e))?;
    Ok(After { not_before, serial })
}

fn certificate(row: Certificate, now: OffsetDateTime) -> wire::DeviceCertificate {
    let state = state(&row, now);
    wire::DeviceCertificate {
        state: state.into(),
        enforced_at: row.enforced_at.map(timestamp),
        serial: row.serial,
        device_id: row.device_id.as_hyphenated().to_string(),
        not_before: Some(timestamp(row.not_before)),
        not_after: Some(timestamp(row.not_after)),
        revoked_at: row.revoked_at.map(timestamp),
        superseded_at: row.superseded_at.map(timestamp),
        renews: row.renews.unwrap_or_default(),
    }
}

/// Time ends it first: an expired certificate needs no broker's confirmation.
fn state(row: &Certificate, now: OffsetDateTime) -> wire::CertificateState {
    if now < row.not_before || now > row.not_after {
        return wire::CertificateState::Expired;
    }
    match (row.revoked_at, row.enforced_at) {
        (None, _) => wire::CertificateState::Valid,
        (Some(_), None) => wire::CertificateState::Revoking,
        (Some(_), Some(_)) => wire::CertificateState::Revoked,
    }
}
