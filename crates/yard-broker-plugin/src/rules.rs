//! Who may touch which topic, as far as it can be told without the access rules file.

/// What a client wants with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// To publish on it.
    Publish,
    /// To subscribe; the topic may be a filter.
    Subscribe,
    /// To be given a message that was published on it.
    Receive,
}

impl Access {
    /// The word in reports.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Receive => "receive",
        }
    }
}

/// What follows `device/{uuid}/` in topics that a device publishes on.
const UPLINKS: [&[u8]; 4] = [b"telemetry", b"status", b"error", b"command/ack"];
/// What follows `device/{uuid}/` in topics that device-ingest publishes on.
const DOWNLINKS: [&[u8]; 4] = [b"command", b"config", b"error", b"receipt"];
const PREFIX: &[u8] = b"device/";
const SHARED: &[u8] = b"$share/";
const REPORTS: &[u8] = b"$yard/v1/";
/// The broker's log.
pub(crate) const LOG: &[u8] = b"$SYS/broker/log/";
/// Where device-ingest asks for a kick.
pub(crate) const CONTROL: &str = "$CONTROL/yard/v1";

/// Whether the identity of a certificate is a device's: a UUID in lower case.
pub(crate) fn is_device(identity: &[u8]) -> bool {
    identity.len() == 36
        && identity.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Whether a device may ask for this. A yes is left to the access rules file, which is narrower.
pub(crate) fn is_own(identity: &[u8], topic: &[u8], access: Access) -> bool {
    if !is_device(identity) {
        return false;
    }
    match access {
        Access::Publish => below(identity, topic).is_some_and(|rest| UPLINKS.contains(&rest)),
        Access::Subscribe => below(identity, unshared(topic)).is_some(),
        Access::Receive => below(identity, topic).is_some(),
    }
}

/// Whether it is part of device-ingest's work. Here a yes is the last word: after a reload that
/// failed the broker has forgotten the rules of single users, and nothing would be stored any more.
pub(crate) fn is_ingests(topic: &[u8], access: Access) -> bool {
    match access {
        Access::Publish => {
            topic == CONTROL.as_bytes()
                || to_a_device(topic).is_some_and(|(_, rest)| DOWNLINKS.contains(&rest))
        }
        Access::Subscribe => {
            let filter = unshared(topic);
            [PREFIX, REPORTS, LOG].iter().any(|prefix| filter.starts_with(prefix))
        }
        Access::Receive => topic.starts_with(PREFIX) || topic.starts_with(REPORTS),
    }
}

fn to_a_device(topic: &[u8]) -> Option<(&[u8], &[u8])> {
    let (device, rest) = topic.strip_prefix(PREFIX)?.split_at_checked(36)?;
    Some((device, rest.strip_prefix(b"/")?)).filter(|_| is_device(device))
}

/// What follows `device/{identity}/`.
fn below<'t>(identity: &[u8], topic: &'t [u8]) -> Option<&'t [u8]> {
    let rest = topic.strip_prefix(PREFIX)?.strip_prefix(identity)?;
    rest.strip_prefix(b"/").filter(|rest| !rest.is_empty())
}

/// The filter of a shared subscription.
fn unshared(filter: &[u8]) -> &[u8] {
    let Some(rest) = filter.strip_prefix(SHARED) else {
        return filter;
    };
    let slash = rest.iter().position(|byte| *byte == b'/');
    slash.and_then(|at| rest.get(at + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &[u8] = b"0190a6f2-7c2a-7b52-9c11-000000000002";
    const OTHER: &str = "0190a6f2-7c2a-7b52-9c11-000000000003";

    fn own(topic: &str, access: Access) -> bool {
        let me = std::str::from_utf8(ME).unwrap();
        is_own(ME, topic.replace("ME", me).replace("OTHER", OTHER).as_bytes(), access)
    }

    #[test]
    fn device_publishes_on_its_four_topics_and_no_other() {
        for topic in ["telemetry", "status", "error", "command/ack"] {
            assert!(own(&format!("device/ME/{topic}"), Access::Publish), "{topic}");
        }
        for topic in [
            "device/OTHER/telemetry",
            "device/ME/command",
            "device/ME/receipt",
            "device/ME/telemetry/",
            "device/ME/telemetry/x",
            "device/ME/",
            "device/ME",
            "device/MEx/telemetry",
            "device/ME2/telemetry",
            "Device/ME/telemetry",
            "/device/ME/telemetry",
            "$SYS/broker/uptime",
            "$CONTROL/yard/v1",
            "$CONTROL/dynamic-security/v1",
            "$yard/v1/refusals",
            "$share/g/device/ME/telemetry",
            "",
        ] {
            assert!(!own(topic, Access::Publish), "{topic}");
        }
    }

    #[test]
    fn device_subscribes_below_its_own_name_only() {
        for filter in
            ["device/ME/command", "device/ME/#", "device/ME/+", "$share/g/device/ME/error"]
        {
            assert!(own(filter, Access::Subscribe), "{filter}");
        }
        for filter in [
            "#",
            "+/+/+",
            "device/#",
            "device/+/command",
            "device/OTHER/command",
            "$share/g/#",
            "$share/g/device/OTHER/command",
            "$share/g",
            "$share/",
            "$SYS/#",
            "$yard/#",
        ] {
            assert!(!own(filter, Access::Subscribe), "{filter}");
        }
    }

    #[test]
    fn device_receives_its_own_messages_only() {
        assert!(own("device/ME/command", Access::Receive));
        assert!(!own("device/OTHER/command", Access::Receive));
        assert!(!own("$SYS/broker/log/E", Access::Receive));
    }

    #[test]
    fn device_ingest_hears_everything_and_speaks_to_devices_only() {
        let ingest =
            |topic: &str, access| is_ingests(topic.replace("OTHER", OTHER).as_bytes(), access);
        for topic in ["command", "config", "error", "receipt"] {
            assert!(ingest(&format!("device/OTHER/{topic}"), Access::Publish), "{topic}");
        }
        assert!(ingest(CONTROL, Access::Publish));
        for topic in ["device/OTHER/telemetry", "device/x/command", "$yard/v1/state", "$SYS/x", "x"]
        {
            assert!(!ingest(topic, Access::Publish), "{topic}");
        }
        for filter in ["$share/ingest/device/+/status", "$yard/v1/refusals", "$SYS/broker/log/+"] {
            assert!(ingest(filter, Access::Subscribe), "{filter}");
        }
        assert!(!ingest("#", Access::Subscribe));
        assert!(ingest("device/OTHER/telemetry", Access::Receive));
        assert!(!ingest("$SYS/broker/uptime", Access::Receive));
    }

    #[test]
    fn names_that_are_no_uuid_own_nothing() {
        for name in ["device-ingest-2", "+", "#", "", "0190A6F2-7C2A-7B52-9C11-000000000002"] {
            assert!(!is_device(name.as_bytes()), "{name}");
            let topic = format!("device/{name}/telemetry");
            assert!(!is_own(name.as_bytes(), topic.as_bytes(), Access::Publish), "{name}");
        }
    }
}
