//! The device CA: what it signs, and nothing of who may have it signed.

mod authority;
mod csr;
#[cfg(test)]
mod tests;

use rcgen::{
    CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use yard_fault::Fault;
use yard_ids::{DeviceId, TenantId};
use yard_runtime::ConfigError;

pub(crate) use authority::Authority;
use authority::{ACTIVE, PENDING, RETIRING};
pub(crate) use csr::{CsrError, DeviceKey};

use crate::config::DeviceCaConfig;
use crate::secrets;

/// How long a device's certificate is valid.
const CERTIFICATE_LIFE: Duration = Duration::days(90);
/// How long a revocation list is. A broker with an expired list refuses every device, so this is
/// many times the hour after which it is renewed.
pub(crate) const LIST_LIFE: Duration = Duration::hours(24);
/// A device or broker whose clock is a little behind takes what was signed just now.
const BACKDATED: Duration = Duration::minutes(5);

/// Signs device certificates and their revocation lists: one CA signs certificates, and up to two
/// more are trusted beside it while the one takes over from the other.
pub(crate) struct DeviceCa {
    active: Authority,
    others: Vec<Authority>,
    names: Names,
}

/// What is written into every certificate beside its subject.
#[derive(Debug, Clone)]
struct Names {
    /// First part of the SPIFFE id.
    trust_domain: String,
    /// Where the revocation list can be fetched; empty leaves it out.
    list_url: String,
}

/// A certificate as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    /// Lower-case hexadecimal, 32 digits.
    pub(crate) serial: String,
    pub(crate) pem: String,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
    /// Key id of the CA that signed it, where that was written down.
    pub(crate) authority: Option<String>,
}

impl Issued {
    /// When two thirds of its life are over.
    pub(crate) fn renew_after(&self) -> OffsetDateTime {
        self.not_before + (self.not_after - self.not_before) * 2 / 3
    }
}

/// An entry of the revocation list.
#[derive(Debug, Clone)]
pub(crate) struct Revoked {
    pub(crate) serial: String,
    pub(crate) at: OffsetDateTime,
    /// Key id of its CA; on every list when that is not known.
    pub(crate) authority: Option<String>,
}

/// A signed revocation list.
#[derive(Debug, Clone)]
pub(crate) struct SignedList {
    pub(crate) number: i64,
    pub(crate) pem: String,
    pub(crate) next_update: OffsetDateTime,
}

impl DeviceCa {
    /// Reads certificates and keys, and refuses what would only fail later.
    pub(crate) fn load(config: &DeviceCaConfig, now: OffsetDateTime) -> Result<Self, ConfigError> {
        let active = Authority::load(&ACTIVE, &config.cert_file, &config.key_file, now)?;
        let mut others = Vec::new();
        for (options, certificate, key) in [
            (&PENDING, &config.next_cert_file, &config.next_key_file),
            (&RETIRING, &config.previous_cert_file, &config.previous_key_file),
        ] {
            if !certificate.as_os_str().is_empty() {
                others.push(Authority::load(options, certificate, key, now)?);
            }
        }
        let names =
            Names { trust_domain: config.trust_domain.clone(), list_url: config.crl_url.clone() };
        Self::new(active, others, names)
    }

    fn new(active: Authority, others: Vec<Authority>, names: Names) -> Result<Self, ConfigError> {
        let this = Self { active, others, names };
        let mut subjects: Vec<_> = this.all().map(|authority| authority.subject.as_str()).collect();
        subjects.sort_unstable();
        // OpenSSL looks revocation lists up by it.
        if subjects.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(ConfigError::new("device_ca", "two of its CAs bear the same name"));
        }
        Ok(this)
    }

    /// The one that signs certificates first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Authority> {
        std::iter::once(&self.active).chain(&self.others)
    }

    /// What a device checks the broker's certificate against, PEM: all of them, so that a device
    /// has the next one before the broker shows a certificate of it.
    pub(crate) fn pem(&self) -> String {
        self.all().map(|authority| authority.pem.as_str()).collect()
    }

    /// The same as certificates in DER.
    pub(crate) fn authorities(&self) -> Vec<Vec<u8>> {
        self.all().map(|authority| authority.der.clone()).collect()
    }

    /// Signs a certificate for a device. Every name in it is ours.
    pub(crate) fn issue(
        &self,
        key: &DeviceKey,
        device: DeviceId,
        tenant: TenantId,
        now: OffsetDateTime,
    ) -> Result<Issued, Fault> {
        let serial = serial()?;
        let now = now.replace_nanosecond(0).unwrap_or(now);
        let uri = format!("spiffe://{}/t/{tenant}/d/{device}", self.names.trust_domain);
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = now - BACKDATED;
        params.not_after = (now + CERTIFICATE_LIFE).min(self.active.not_after);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, tenant.to_string());
        params.distinguished_name.push(DnType::CommonName, device.to_string());
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(signing)?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        if !self.names.list_url.is_empty() {
            let uris = vec![self.names.list_url.clone()];
            params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        }
        let pem = params.signed_by(&key.public, &self.active.issuer).map_err(signing)?.pem();
        let (not_before, not_after) = (params.not_before, params.not_after);
        let authority = Some(self.active.key_id_text.clone());
        Ok(Issued { serial: secrets::hex(&serial), pem, not_before, not_after, authority })
    }

    /// Signs the lists of all CAs with that number: a broker takes no certificate of a CA that it
    /// has no list of.
    pub(crate) fn sign_list(
        &self,
        number: i64,
        revoked: &[Revoked],
        now: OffsetDateTime,
    ) -> Result<SignedList, Fault> {
        let next_update = now + LIST_LIFE;
        let mut pem = String::new();
        for authority in self.all() {
            pem.push_str(&authority.sign_list(number, revoked, now, next_update)?);
        }
        Ok(SignedList { number, pem, next_update })
    }
}

/// 126 random bits in exactly 16 octets: positive, and one spelling in hexadecimal.
fn serial() -> Result<[u8; 16], Fault> {
    let mut bytes = secrets::random::<16>()?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(bytes)
}

fn signing(error: rcgen::Error) -> Fault {
    Fault::internal("the device CA could not sign").with_source(error)
}
