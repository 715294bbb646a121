use std::str::FromStr;

use uuid::Uuid;
use yard_ids::{PrincipalId, SessionId, TenantId};

/// Key of the entry that says that auth is there.
pub const HEARTBEAT: &str = "heartbeat";
/// Key of the entry with the issuer's signed key set.
pub const KEY_SET: &str = "keyset";

const ISSUER: &str = "issuer:";
const ANYWHERE: &str = "any";

/// Something that has ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// A session.
    Session(SessionId),
    /// What a person may do has changed, in one tenant or (`None`) everywhere: what was issued
    /// before is void, a new exchange shows what holds now.
    Person(Option<TenantId>, PrincipalId),
    /// A tenant is suspended or closed, or is open again.
    Tenant(TenantId),
    /// An API token.
    ApiToken(Uuid),
    /// A signing key, by its id in the key set.
    Key(String),
}

impl Revocation {
    /// The entry's key in the bucket.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Session(id) => format!("session.{id}"),
            Self::Person(None, id) => format!("person.{ANYWHERE}.{id}"),
            Self::Person(Some(tenant), id) => format!("person.{tenant}.{id}"),
            Self::Tenant(id) => format!("tenant.{id}"),
            Self::ApiToken(id) => format!("token.{}", id.as_hyphenated()),
            // A colon may not stand in a key.
            Self::Key(kid) => format!("key.{}", kid.strip_prefix(ISSUER).unwrap_or(kid)),
        }
    }

    /// Reads [`Revocation::key`]; `None` for a key of another kind.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once('.')?;
        Some(match kind {
            "session" => Self::Session(rest.parse().ok()?),
            "tenant" => Self::Tenant(rest.parse().ok()?),
            "token" => Self::ApiToken(Uuid::from_str(rest).ok()?),
            "key" if !rest.is_empty() => Self::Key(format!("{ISSUER}{rest}")),
            "person" => {
                let (tenant, person) = rest.split_once('.')?;
                let tenant = match tenant {
                    ANYWHERE => None,
                    tenant => Some(tenant.parse().ok()?),
                };
                Self::Person(tenant, person.parse().ok()?)
            }
            _ => return None,
        })
    }

    /// Label of the metric.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::Person(..) => "person",
            Self::Tenant(_) => "tenant",
            Self::ApiToken(_) => "api_token",
            Self::Key(_) => "key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pinned_and_read_back() {
        let id = "0190a6f2-7c2a-7b52-9c11-000000000001";
        let tenant: TenantId = "0190a6f2-7c2a-7b52-9c11-000000000002".parse().unwrap();
        let (person, session) = (id.parse().unwrap(), id.parse().unwrap());
        let golden = [
            (Revocation::Session(session), format!("session.{id}")),
            (Revocation::Person(None, person), format!("person.any.{id}")),
            (Revocation::Person(Some(tenant), person), format!("person.{tenant}.{id}")),
            (Revocation::Tenant(tenant), format!("tenant.{tenant}")),
            (Revocation::ApiToken(id.parse().unwrap()), format!("token.{id}")),
            (Revocation::Key("issuer:a-B_9".to_owned()), "key.a-B_9".to_owned()),
        ];
        for (what, key) in golden {
            assert_eq!(what.key(), key);
            assert_eq!(Revocation::parse(&key), Some(what), "{key}");
        }
    }

    #[test]
    fn key_of_another_kind_is_none() {
        for key in ["", "heartbeat", "keyset", "session.", "session.x", "person.any", "key.", "x.y"]
        {
            assert_eq!(Revocation::parse(key), None, "{key}");
        }
    }
}
