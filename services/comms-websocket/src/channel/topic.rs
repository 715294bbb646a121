use yard_contracts::subjects::{self, live};
use yard_ids::{DeviceId, TenantId};

use super::ChannelName;

/// The forms of channels that are a tenant's in every app, `{tenant}` and `{device}` being
/// UUIDs in lower case with hyphens.
pub const CHANNEL_FORMS: [&str; 3] = [
    "private-organization.{tenant}",
    "private-organization.{tenant}.device.{device}",
    "presence-organization.{tenant}.online",
];

/// What a channel of a tenant is about, and so what of the live bus it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `private-organization.{tenant}`: presence and commands of all devices, no readings.
    Tenant(TenantId),
    /// `private-organization.{tenant}.device.{device}`: everything of one device.
    Device(TenantId, DeviceId),
    /// `presence-organization.{tenant}.online`: who of a tenant is here; nothing of the bus.
    Online(TenantId),
}

impl Topic {
    /// `None` for names that are of no tenant.
    pub(crate) fn of(name: &ChannelName) -> Option<Self> {
        if let Some(rest) = name.as_str().strip_prefix("presence-organization.") {
            return Some(Self::Online(rest.strip_suffix(".online")?.parse().ok()?));
        }
        let rest = name.as_str().strip_prefix("private-organization.")?;
        match rest.split_once('.') {
            None => Some(Self::Tenant(rest.parse().ok()?)),
            Some((tenant, rest)) => {
                let device = rest.strip_prefix("device.")?;
                Some(Self::Device(tenant.parse().ok()?, device.parse().ok()?))
            }
        }
    }

    /// Whose channel it is.
    pub(crate) const fn tenant(self) -> TenantId {
        match self {
            Self::Tenant(tenant) | Self::Device(tenant, _) | Self::Online(tenant) => tenant,
        }
    }

    /// What to listen to for it.
    pub(crate) fn subjects(self) -> Vec<String> {
        match self {
            Self::Tenant(tenant) => [live::PRESENCE_CHANGED, live::COMMAND_CHANGED]
                .into_iter()
                .map(|event| subjects::live_any_device(tenant, event))
                .collect(),
            Self::Device(tenant, device) => vec![subjects::live_device_all(tenant, device)],
            Self::Online(_) => Vec::new(),
        }
    }

    /// The event's name in a subject of this topic; `None` if the subject is not of it, which would
    /// be the broker's mistake and must not reach a socket.
    pub(crate) fn event_in(self, subject: &str) -> Option<&str> {
        let mut parts = subject.splitn(6, '.');
        let mut is = |expected: &str| parts.next() == Some(expected);
        let tenant = self.tenant().to_string();
        if !(is("rt") && is("v1") && is(&tenant) && is("device")) {
            return None;
        }
        let device = parts.next()?;
        let ours = match self {
            Self::Tenant(_) => true,
            Self::Device(_, expected) => device == expected.to_string(),
            Self::Online(_) => false,
        };
        parts.next().filter(|event| ours && !event.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "0190a6f2-7c2a-7b52-9c11-000000000001";
    const DEVICE: &str = "0190a6f2-7c2a-7b52-9c11-000000000002";
    const OTHER: &str = "0190a6f2-7c2a-7b52-9c11-000000000003";

    fn topic(text: &str) -> Option<Topic> {
        Topic::of(&ChannelName::parse(text).unwrap())
    }

    #[test]
    fn topic_of_the_two_forms_names_their_subjects() {
        let tenant = topic(&format!("private-organization.{TENANT}")).unwrap();
        assert_eq!(
            tenant.subjects(),
            [
                format!("rt.v1.{TENANT}.device.*.presence.changed"),
                format!("rt.v1.{TENANT}.device.*.command.changed"),
            ]
        );
        let device = topic(&format!("private-organization.{TENANT}.device.{DEVICE}")).unwrap();
        assert_eq!(device.subjects(), [format!("rt.v1.{TENANT}.device.{DEVICE}.>")]);
    }

    #[test]
    fn topic_of_each_listed_form_is_one() {
        for form in CHANNEL_FORMS {
            let name = form.replace("{tenant}", TENANT).replace("{device}", DEVICE);
            assert!(topic(&name).is_some(), "{form}");
        }
    }

    #[test]
    fn topic_of_any_other_form_is_none() {
        for text in [
            format!("organization.{TENANT}"),
            format!("presence-organization.{TENANT}"),
            format!("presence-organization.{TENANT}.offline"),
            format!("private-organization.{TENANT}.online"),
            format!("private-organization.{}", TENANT.to_uppercase()),
            format!("private-organization.{}", TENANT.replace('-', "")),
            format!("private-organization.{TENANT}."),
            format!("private-organization.{TENANT}.device"),
            format!("private-organization.{TENANT}.device."),
            format!("private-organization.{TENANT}.device.{DEVICE}.x"),
            format!("private-organization.{TENANT}.device.{}", DEVICE.to_uppercase()),
            format!("private-organization.{TENANT}.devices.{DEVICE}"),
            "private-organization.".to_owned(),
        ] {
            assert_eq!(topic(&text), None, "{text}");
        }
    }

    #[test]
    fn event_in_a_subject_of_another_tenant_or_device_is_none() {
        let device = topic(&format!("private-organization.{TENANT}.device.{DEVICE}")).unwrap();
        let tenant = topic(&format!("private-organization.{TENANT}")).unwrap();
        let own = format!("rt.v1.{TENANT}.device.{DEVICE}.telemetry.received");
        assert_eq!(device.event_in(&own), Some("telemetry.received"));
        assert_eq!(tenant.event_in(&own), Some("telemetry.received"));
        for foreign in [
            format!("rt.v1.{OTHER}.device.{DEVICE}.telemetry.received"),
            format!("rt.v1.{TENANT}.device.{OTHER}.telemetry.received"),
            format!("rt.v1.{TENANT}.device.{DEVICE}."),
            format!("rt.v1.{TENANT}.device.{DEVICE}"),
            format!("rt.v2.{TENANT}.device.{DEVICE}.telemetry.received"),
            String::new(),
        ] {
            assert_eq!(device.event_in(&foreign), None, "{foreign}");
        }
    }
}
