use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_crl;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

/// Far above a list that names every device of a large fleet (some 40 bytes each).
const LARGEST: usize = 64 * 1024 * 1024;

/// Why a list is not given to the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// No certificate in PEM.
    #[error("the device CA's file holds no certificate in PEM")]
    NoAuthority,
    /// No revocation list in PEM.
    #[error("the revocation list is not one in PEM")]
    Unreadable,
    /// Signed by somebody else, or changed.
    #[error("the revocation list is not signed by the device CA")]
    Signature,
    /// It has no number to tell old from new by.
    #[error("the revocation list has no number")]
    Number,
    /// The broker would refuse every device.
    #[error("the revocation list has expired or says no end")]
    Expired,
    /// An older one than the broker has.
    #[error("revocation list {offered} is older than {current}, which the broker has")]
    Older {
        /// The number of the one refused.
        offered: u64,
        /// The number of the one that stays.
        current: u64,
    },
}

/// The device CAs' certificates, against which lists are checked: one, or while one takes over from
/// another two.
#[derive(Debug, Clone)]
pub struct Authority(Vec<Vec<u8>>);

/// A list that the device CA has signed and that is in force now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedList {
    /// Grows with each list.
    pub number: u64,
    /// Revoked certificates in it.
    pub entries: usize,
    /// What the broker reads: our line with the number, and the list in PEM.
    pub file: Vec<u8>,
}

impl Authority {
    /// Reads the certificate.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ListError> {
        let blocks: Result<Vec<_>, _> = Pem::iter_from_buffer(pem).collect();
        let blocks = blocks.map_err(|_unreadable| ListError::NoAuthority)?;
        let readable = |block: &Pem| block.label == "CERTIFICATE" && block.parse_x509().is_ok();
        if blocks.is_empty() || !blocks.iter().all(readable) {
            return Err(ListError::NoAuthority);
        }
        Ok(Self(blocks.into_iter().map(|block| block.contents).collect()))
    }

    /// Checks signature, number and time.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, pem: &[u8], now: OffsetDateTime) -> Result<CheckedList, ListError> {
        if pem.len() > LARGEST {
            return Err(ListError::Unreadable);
        }
        let blocks: Result<Vec<_>, _> = Pem::iter_from_buffer(pem).collect();
        let blocks = blocks.map_err(|_unreadable| ListError::Unreadable)?;
        let mut lists: Vec<Checked<'_>> = Vec::new();
        for block in &blocks {
            let list = self.check_one(block, now)?;
            let twice = lists.iter().any(|other| other.authority == list.authority);
            let mixed = lists.iter().any(|other| other.number != list.number);
            // Of a CA that nobody told us of: auth knows it already, we and the broker do not yet.
            if twice && list.authority.is_some() || mixed {
                return Err(ListError::Unreadable);
            }
            lists.push(list);
        }
        let number = lists.first().ok_or(ListError::Unreadable)?.number;
        let ours: Vec<&Checked<'_>> =
            lists.iter().filter(|list| list.authority.is_some()).collect();
        if ours.is_empty() {
            return Err(ListError::Signature);
        }
        let ders: Vec<&[u8]> = ours.iter().map(|list| list.der).collect();
        let entries = ours.iter().map(|list| list.entries).sum();
        Ok(CheckedList { number, entries, file: file(number, &ders) })
    }

    fn check_one<'l>(&self, block: &'l Pem, now: OffsetDateTime) -> Result<Checked<'l>, ListError> {
        let unreadable = || ListError::Unreadable;
        if block.label != "X509 CRL" {
            return Err(unreadable());
        }
        let (rest, list) = parse_x509_crl(&block.contents).map_err(|_bad| unreadable())?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        let mut authority = None;
        for (index, der) in self.0.iter().enumerate() {
            let (_, ca) = X509Certificate::from_der(der).map_err(|_bad| ListError::NoAuthority)?;
            if list.issuer() == ca.subject() {
                list.verify_signature(ca.public_key()).map_err(|_bad| ListError::Signature)?;
                authority = Some(index);
            }
        }
        let number = list.crl_number().and_then(|number| u64::try_from(number).ok());
        let number = number.ok_or(ListError::Number)?;
        let until = list.next_update().map(|time| time.timestamp());
        if until.is_none_or(|until| until <= now.unix_timestamp()) {
            return Err(ListError::Expired);
        }
        let entries = list.iter_revoked_certificates().count();
        Ok(Checked { authority, number, entries, der: &block.contents })
    }
}

/// The list of one CA.
struct Checked<'l> {
    /// Which of ours has signed it.
    authority: Option<usize>,
    number: u64,
    entries: usize,
    der: &'l [u8],
}

/// The plugin in the broker reads the number from the first line; the broker passes over it. The
/// block is written anew, so that nothing which came around it gets through.
fn file(number: u64, lists: &[&[u8]]) -> Vec<u8> {
    use base64::Engine as _;
    let mut text = format!("# switchyard revocation list {number}\n");
    for der in lists {
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        text.push_str("-----BEGIN X509 CRL-----\n");
        for line in body.as_bytes().chunks(64) {
            text.extend(line.iter().copied().map(char::from));
            text.push('\n');
        }
        text.push_str("-----END X509 CRL-----\n");
    }
    text.into_bytes()
}

/// Any bytes in the form of a list's file.
#[cfg(test)]
pub(super) fn file_for_test(number: u64, der: &[u8]) -> Vec<u8> {
    file(number, &[der])
}
