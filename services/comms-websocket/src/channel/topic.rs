use yard_contracts::subjects::{self, live};
use yard_ids::{DeviceId, TenantId};

use super::ChannelName;

/// The forms of channels that are a tenant's in every app and that its people hear who may read
/// telemetry; `{tenant}` and `{device}` are UUIDs in lower case with hyphens.
pub const CHANNEL_FORMS: [&str; 3] = [
    "private-organization.{tenant}",
    "private-organization.{tenant}.device.{device}",
    "presence-organization.{tenant}.online",
];

/// Further forms, and the permission that each asks for beside the right to read telemetry; `{map}`
/// is a UUID too, `{layer}` is 1 to 64 of `a`-`z`, `0`-`9`, `_` and `-`.
///
/// Devices speak in the first. In the others nothing of the platform speaks yet: a tenant's servers
/// may, by the HTTP API of its app.
pub const FURTHER_FORMS: [(&str, &str); 7] = [
    ("private-organization.{tenant}.telemetry", READINGS),
    ("private-organization.{tenant}.map.{map}.layer.{layer}", READINGS),
    ("private-tenant.{tenant}.dashboard-stats", READINGS),
    ("private-tenant.{tenant}.hotspot", READINGS),
    ("private-tenant.{tenant}.vouchers", "devices.control"),
    ("private-tenant.{tenant}.payments", "tenant.manage"),
    ("private-tenant.{tenant}.security-alerts", "audit.read"),
];

const READINGS: &str = "telemetry.read";
const LONGEST_LAYER: usize = 64;

/// What a channel of a tenant is about, and so what of the live bus it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `private-organization.{tenant}`: presence and commands of all devices, no readings.
    Tenant(TenantId),
    /// `private-organization.{tenant}.device.{device}`: everything of one device.
    Device(TenantId, DeviceId),
    /// `private-organization.{tenant}.telemetry`: the readings of all devices. Who is slow gets a
    /// sample of them: older ones give way, whichever device they are of.
    Telemetry(TenantId),
    /// `private-organization.{tenant}.map.{map}.layer.{layer}`: nothing of the bus.
    Layer(TenantId),
    /// `private-tenant.{tenant}.{area}`: nothing of the bus.
    Area(TenantId, Area),
    /// `presence-organization.{tenant}.online`: who of a tenant is here; nothing of the bus.
    Online(TenantId),
}

/// What a channel `private-tenant.{tenant}.{area}` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    DashboardStats,
    Hotspot,
    Vouchers,
    Payments,
    SecurityAlerts,
}

impl Area {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "dashboard-stats" => Self::DashboardStats,
            "hotspot" => Self::Hotspot,
            "vouchers" => Self::Vouchers,
            "payments" => Self::Payments,
            "security-alerts" => Self::SecurityAlerts,
            _ => return None,
        })
    }
}

impl Topic {
    /// `None` for names that are of no tenant.
    pub(crate) fn of(name: &ChannelName) -> Option<Self> {
        if let Some(rest) = name.as_str().strip_prefix("presence-organization.") {
            return Some(Self::Online(rest.strip_suffix(".online")?.parse().ok()?));
        }
        if let Some(rest) = name.as_str().strip_prefix("private-tenant.") {
            let (tenant, area) = rest.split_once('.')?;
            return Some(Self::Area(tenant.parse().ok()?, Area::of(area)?));
        }
        let rest = name.as_str().strip_prefix("private-organization.")?;
        match rest.split_once('.') {
            None => Some(Self::Tenant(rest.parse().ok()?)),
            Some((tenant, rest)) => {
                let tenant = tenant.parse().ok()?;
                if rest == "telemetry" {
                    return Some(Self::Telemetry(tenant));
                }
                if let Some(rest) = rest.strip_prefix("map.") {
                    let (map, layer) = rest.split_once(".layer.")?;
                    let good = is_uuid(map) && is_layer(layer);
                    return good.then_some(Self::Layer(tenant));
                }
                let device = rest.strip_prefix("device.")?;
                Some(Self::Device(tenant, device.parse().ok()?))
            }
        }
    }

    /// Whose channel it is.
    pub(crate) const fn tenant(self) -> TenantId {
        match self {
            Self::Tenant(tenant)
            | Self::Device(tenant, _)
            | Self::Telemetry(tenant)
            | Self::Layer(tenant)
            | Self::Area(tenant, _)
            | Self::Online(tenant) => tenant,
        }
    }

    /// What somebody has to be allowed in the tenant to hear it.
    pub(crate) const fn permission(self) -> &'static str {
        match self {
            Self::Area(_, Area::Vouchers) => "devices.control",
            Self::Area(_, Area::Payments) => "tenant.manage",
            Self::Area(_, Area::SecurityAlerts) => "audit.read",
            Self::Area(_, Area::DashboardStats | Area::Hotspot)
            | Self::Tenant(_)
            | Self::Device(..)
            | Self::Telemetry(_)
            | Self::Layer(_)
            | Self::Online(_) => READINGS,
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
            Self::Telemetry(tenant) => {
                vec![subjects::live_any_device(tenant, live::TELEMETRY_RECEIVED)]
            }
            Self::Layer(_) | Self::Area(..) | Self::Online(_) => Vec::new(),
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
            Self::Tenant(_) | Self::Telemetry(_) => true,
            Self::Device(_, expected) => device == expected.to_string(),
            Self::Layer(_) | Self::Area(..) | Self::Online(_) => false,
        };
        parts.next().filter(|event| ours && !event.is_empty())
    }
}

/// As ids are written here: lower case, with hyphens.
fn is_uuid(text: &str) -> bool {
    text.parse::<DeviceId>().is_ok()
}

fn is_layer(text: &str) -> bool {
    let taken = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (1..=LONGEST_LAYER).contains(&text.len()) && text.bytes().all(taken)
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
        let forms = CHANNEL_FORMS.map(|form| (form, READINGS)).into_iter().chain(FURTHER_FORMS);
        for (form, permission) in forms {
            let name = form.replace("{tenant}", TENANT).replace("{device}", DEVICE);
            let name = name.replace("{map}", OTHER).replace("{layer}", "air-quality_2");
            let topic = topic(&name).unwrap_or_else(|| panic!("{form}"));
            assert_eq!(
                (topic.permission(), topic.tenant().to_string()),
                (permission, TENANT.into())
            );
        }
    }

    #[test]
    fn topic_of_all_readings_listens_to_readings_of_every_device_and_nothing_else() {
        let all = topic(&format!("private-organization.{TENANT}.telemetry")).unwrap();
        assert_eq!(all.subjects(), [format!("rt.v1.{TENANT}.device.*.telemetry.received")]);
        for silent in ["payments", "hotspot", "vouchers", "dashboard-stats", "security-alerts"] {
            let area = topic(&format!("private-tenant.{TENANT}.{silent}")).unwrap();
            assert!(area.subjects().is_empty(), "{silent}");
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
            format!("private-organization.{TENANT}.telemetry.x"),
            format!("private-organization.{TENANT}.map.{OTHER}"),
            format!("private-organization.{TENANT}.map.{OTHER}.layer."),
            format!("private-organization.{TENANT}.map.{OTHER}.layer.A"),
            format!("private-organization.{TENANT}.map.{OTHER}.layer.a.b"),
            format!("private-organization.{TENANT}.map.{OTHER}.layer.{}", "a".repeat(65)),
            format!("private-organization.{TENANT}.map.x.layer.a"),
            format!("private-tenant.{TENANT}"),
            format!("private-tenant.{TENANT}."),
            format!("private-tenant.{TENANT}.salaries"),
            format!("private-tenant.{TENANT}.payments.x"),
            format!("private-tenant.{}.payments", TENANT.to_uppercase()),
            format!("presence-tenant.{TENANT}.payments"),
            "private-system.health".to_owned(),
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
