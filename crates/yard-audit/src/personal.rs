use crate::Hash;
use crate::canonical::Canonical;

const DOMAIN: &str = "switchyard.audit.personal.v1";

/// Who stands behind an entry. The chain holds only a commitment to it, so that it can be shown,
/// checked, and one day destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personal {
    /// 32 random bytes: without them the commitment to a known e-mail could be tried out.
    pub salt: [u8; 32],
    /// The person.
    pub subject_id: String,
    /// As at the time.
    pub email: String,
    /// As at the time.
    pub display_name: String,
    /// Full address.
    pub address: String,
    /// What the client called itself.
    pub user_agent: String,
}

impl Personal {
    /// SHA-256 over the domain tag, the salt and the fields.
    #[must_use]
    pub fn commitment(&self) -> Hash {
        Canonical::of(DOMAIN)
            .bytes(&self.salt)
            .text(&self.subject_id)
            .text(&self.email)
            .text(&self.display_name)
            .text(&self.address)
            .text(&self.user_agent)
            .digest()
    }
}
