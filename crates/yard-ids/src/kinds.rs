use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id")]
pub struct IdError {
    kind: &'static str,
}

macro_rules! id_kind {
    ($(#[$doc:meta] $name:ident = $kind:literal;)+) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to be of this kind.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, for binding to SQL.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}", $kind, self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Takes only the hyphenated lower-case form, so that one id has one spelling.
            fn from_str(text: &str) -> Result<Self, IdError> {
                hyphenated(text).map(Self).ok_or(IdError { kind: $kind })
            }
        }
    )+};
}

id_kind! {
    /// A customer of the platform; everything that is stored belongs to one.
    TenantId = "tenant";
    /// A person, service, device or API client.
    PrincipalId = "principal";
    /// A device; also its MQTT user name, client id and principal id.
    DeviceId = "device";
    /// A version of what a kind of device says and accepts.
    ContractId = "contract";
    /// A command to a device.
    CommandId = "command";
    /// A message of any kind.
    MessageId = "message";
    /// A session of a person.
    SessionId = "session";
    /// A background job.
    JobId = "job";
    /// One firing of a schedule.
    FireId = "fire";
}

fn hyphenated(text: &str) -> Option<Uuid> {
    let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
    (text.len() == 36 && lower).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_id_hyphenated_lower_case_is_read_back() {
        let text = "0190a6f2-7c2a-7b52-9c11-6f2b7a3c4d5e";
        assert_eq!(text.parse::<DeviceId>().unwrap().to_string(), text);
    }

    #[test]
    fn device_id_other_spellings_are_refused() {
        for text in [
            "",
            "0190A6F2-7C2A-7B52-9C11-6F2B7A3C4D5E",
            "0190a6f27c2a7b529c116f2b7a3c4d5e",
            "{0190a6f2-7c2a-7b52-9c11-6f2b7a3c4d5e}",
            "0190a6f2-7c2a-7b52-9c11-6f2b7a3c4d5g",
        ] {
            assert!(text.parse::<DeviceId>().is_err(), "{text}");
        }
    }
}
