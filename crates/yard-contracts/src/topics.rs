//! MQTT topics: `device/{uuid}/…`, and those of the broker's plugin.

use yard_ids::DeviceId;

/// What a device may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Uplink {
    /// Readings.
    Telemetry,
    /// Online and offline, retained; also the last will.
    Status,
    /// Faults the device reports of itself.
    Error,
    /// Progress of a command.
    CommandAck,
}

impl Uplink {
    /// All kinds of uplink.
    pub const ALL: [Self; 4] = [Self::Telemetry, Self::Status, Self::Error, Self::CommandAck];

    /// What follows `device/{uuid}/`.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Status => "status",
            Self::Error => "error",
            Self::CommandAck => "command/ack",
        }
    }

    /// The filter for all devices, without a share group.
    #[must_use]
    pub fn filter(self) -> String {
        format!("device/+/{}", self.suffix())
    }

    /// The topic of one device.
    #[must_use]
    pub fn topic(self, device: DeviceId) -> String {
        format!("device/{device}/{}", self.suffix())
    }
}

/// What a device may subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Downlink {
    /// Commands.
    Command,
    /// Desired configuration.
    Config,
    /// What was wrong with a message of the device.
    Error,
    /// Sequence numbers that are stored.
    Receipt,
}

impl Downlink {
    /// The topic of one device.
    #[must_use]
    pub fn topic(self, device: DeviceId) -> String {
        let suffix = match self {
            Self::Command => "command",
            Self::Config => "config",
            Self::Error => "error",
            Self::Receipt => "receipt",
        };
        format!("device/{device}/{suffix}")
    }
}

/// Takes `device/{uuid}/{suffix}` apart; `None` for anything else.
#[must_use]
pub fn parse_uplink(topic: &str) -> Option<(DeviceId, Uplink)> {
    let rest = topic.strip_prefix("device/")?;
    let (device, suffix) = rest.split_once('/')?;
    let kind = Uplink::ALL.into_iter().find(|kind| kind.suffix() == suffix)?;
    Some((device.parse().ok()?, kind))
}

/// Between device-ingest and the plugin in the broker (`crates/yard-broker-plugin`), which names
/// them once more because it has no dependencies.
pub mod broker {
    /// What devices and strangers were refused, counted, at most one message a second, given to one
    /// subscriber.
    pub const REFUSALS: &str = "$yard/v1/refusals";
    /// That a device was disconnected.
    pub const KICKED: &str = "$yard/v1/kicked";
    /// The revocation list that the broker has in force.
    pub const STATE: &str = "$yard/v1/state";
    /// The broker's log. The plugin reads it on its way to a subscriber and delivers nothing.
    pub const LOG: &str = "$SYS/broker/log/+";
    /// Wishes of device-ingest: `<request> <device>` ends the device's connections.
    pub const CONTROL: &str = "$CONTROL/yard/v1";
    /// What all topics of the plugin's reports begin with.
    pub const REPORTS: &str = "$yard/v1/";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uplink_topics_are_read_back() {
        let device: DeviceId = "0190a6f2-7c2a-7b52-9c11-000000000002".parse().unwrap();
        for kind in Uplink::ALL {
            assert_eq!(parse_uplink(&kind.topic(device)), Some((device, kind)));
        }
    }

    #[test]
    fn other_topics_are_refused() {
        for topic in [
            "device/0190a6f2-7c2a-7b52-9c11-000000000002/telemetry/",
            "device/0190a6f2-7c2a-7b52-9c11-000000000002/command",
            "device//telemetry",
            "device/+/telemetry",
            "devices/0190a6f2-7c2a-7b52-9c11-000000000002/telemetry",
            "",
        ] {
            assert_eq!(parse_uplink(topic), None, "{topic}");
        }
    }
}
