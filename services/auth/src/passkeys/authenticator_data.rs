use super::Refused;
use super::cbor::Reader;
use super::key::PublicKey;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;

/// The standard's lengths of a credential's id, bytes.
const CREDENTIAL_ID: std::ops::RangeInclusive<usize> = 16..=1_023;

/// What an authenticator says of itself and of what its user did (Level 3, 6.1).
pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested<'a>>,
}

/// A new credential.
pub(super) struct Attested<'a> {
    pub(super) aaguid: &'a [u8],
    pub(super) credential_id: &'a [u8],
    /// As it is written, and as it is used.
    pub(super) cose: &'a [u8],
    pub(super) key: PublicKey,
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refused> {
        let (rp_id_hash, rest) = split(bytes, 32)?;
        let (&flags, rest) = rest.split_first().ok_or(Refused("short authenticator data"))?;
        let (count, mut rest) = split(rest, 4)?;
        let sign_count = count.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        let mut attested = None;
        if flags & ATTESTED != 0 {
            let (read, left) = Attested::read(rest)?;
            (attested, rest) = (Some(read), left);
        }
        let mut reader = Reader::new(rest);
        if flags & EXTENDED != 0 {
            // None were asked for; those that come unasked say nothing here.
            reader.skip_map()?;
        }
        reader.end()?;
        Ok(Self { rp_id_hash, flags, sign_count, attested })
    }

    /// Whether it is for us, and by an owner who was there and proved it.
    pub(super) fn admit(&self, rp_id_hash: &[u8; 32]) -> Result<(), Refused> {
        if self.rp_id_hash != rp_id_hash {
            return Err(Refused("for another domain"));
        }
        if !self.has(USER_PRESENT) {
            return Err(Refused("nobody was there"));
        }
        if !self.has(USER_VERIFIED) {
            return Err(Refused("the user was not verified"));
        }
        if self.backed_up() && !self.backup_eligible() {
            return Err(Refused("backed up, but not eligible"));
        }
        Ok(())
    }

    pub(super) const fn backup_eligible(&self) -> bool {
        self.has(BACKUP_ELIGIBLE)
    }

    pub(super) const fn backed_up(&self) -> bool {
        self.has(BACKED_UP)
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl<'a> Attested<'a> {
    /// It, and what comes after it.
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Refused> {
        let (aaguid, rest) = split(bytes, 16)?;
        let (length, rest) = split(rest, 2)?;
        let length = length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        if !CREDENTIAL_ID.contains(&length) {
            return Err(Refused("credential id of another length"));
        }
        let (credential_id, rest) = split(rest, length)?;
        let mut reader = Reader::new(rest);
        let key = PublicKey::read(&mut reader)?;
        let (cose, left) = rest.split_at(rest.len() - reader.rest().len());
        Ok((Self { aaguid, credential_id, cose, key }, left))
    }
}

fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), Refused> {
    bytes.split_at_checked(at).ok_or(Refused("short authenticator data"))
}
