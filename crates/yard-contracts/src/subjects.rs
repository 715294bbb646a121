//! NATS subjects. Code never formats one by hand; the strings are pinned by a golden test.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yard_ids::{DeviceId, TenantId};

/// How many parts telemetry is split into; order holds within a device, so within a part.
pub const PARTS: u32 = 16;

/// The part of a device: FNV-1a of its UUID, its high bits mixed down (the low ones alone are not
/// spread well), modulo [`PARTS`].
#[must_use]
pub fn part(device: DeviceId) -> u32 {
    let hash =
        device.uuid().as_bytes().iter().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
    (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d) >> 16 & (PARTS - 1)
}

/// `tel.v1.{part}.{tenant}.{device}.{kind}`: an accepted reading.
#[must_use]
pub fn telemetry(tenant: TenantId, device: DeviceId, kind: &str) -> String {
    format!("tel.v1.{}.{tenant}.{device}.{kind}", part(device))
}

/// `qtn.v1.{tenant}.{device}`: a message that was kept but not accepted.
#[must_use]
pub fn quarantine(tenant: TenantId, device: DeviceId) -> String {
    format!("qtn.v1.{tenant}.{device}")
}

/// `rpt.v1.{tenant}.{device}.{kind}`: what a device said of itself (`status`) or of a command
/// (`command`).
#[must_use]
pub fn report(tenant: TenantId, device: DeviceId, kind: &str) -> String {
    format!("rpt.v1.{tenant}.{device}.{kind}")
}

/// One kind of report of all devices.
#[must_use]
pub fn report_any(kind: &str) -> String {
    format!("rpt.v1.*.*.{kind}")
}

/// `cmd.v1.{tenant}.{device}`: a command on its way to the broker.
#[must_use]
pub fn command(tenant: TenantId, device: DeviceId) -> String {
    format!("cmd.v1.{tenant}.{device}")
}

/// `evt.v1.{service}.{entity}.{type}`: a domain event.
#[must_use]
pub fn event(service: &str, entity: &str, kind: &str) -> String {
    format!("evt.v1.{service}.{entity}.{kind}")
}

/// `job.v1.{queue}.{kind}`: a wish for a job.
#[must_use]
pub fn job(queue: &str, kind: &str) -> String {
    format!("job.v1.{queue}.{kind}")
}

/// `audit.v1.{tenant}`, or `audit.v1.platform`: what a service tells of an audited call.
#[must_use]
pub fn audit(tenant: Option<TenantId>) -> String {
    tenant.map_or_else(|| "audit.v1.platform".to_owned(), |tenant| format!("audit.v1.{tenant}"))
}

/// `whk.v1.{tenant}.{app}`: a call of a webhook of a tenant's realtime app.
#[must_use]
pub fn webhook(tenant: TenantId, app: u64) -> String {
    format!("whk.v1.{tenant}.{app}")
}

/// `dlq.v1.{stream}.{consumer}`: what could not be handled.
#[must_use]
pub fn dead_letter(stream: &str, consumer: &str) -> String {
    format!("dlq.v1.{stream}.{consumer}")
}

/// `rt.v1.{tenant}.device.{device}.{event}`: live, not stored. The event may hold dots.
#[must_use]
pub fn live_device(tenant: TenantId, device: DeviceId, event: &str) -> String {
    format!("rt.v1.{tenant}.device.{device}.{event}")
}

/// Everything live of one device.
#[must_use]
pub fn live_device_all(tenant: TenantId, device: DeviceId) -> String {
    format!("rt.v1.{tenant}.device.{device}.>")
}

/// One kind of event of all devices of a tenant.
#[must_use]
pub fn live_any_device(tenant: TenantId, event: &str) -> String {
    format!("rt.v1.{tenant}.device.*.{event}")
}

/// `rtc.v1.{app}.{channel}`: what is said in a channel of an app; live, not stored. The name is written
/// in base64 (RFC 4648 section 5, no padding): its dots and commas are no separators of ours.
#[must_use]
pub fn live_channel(app: u64, channel: &str) -> String {
    format!("rtc.v1.{app}.{}", URL_SAFE_NO_PAD.encode(channel))
}

/// What is said in any channel of an app.
#[must_use]
pub fn live_channels(app: u64) -> String {
    format!("rtc.v1.{app}.*")
}

/// The channel of a [`live_channel`]; `None` for any other subject.
#[must_use]
pub fn channel_of(subject: &str) -> Option<String> {
    let (_app, encoded) = subject.strip_prefix("rtc.v1.")?.split_once('.')?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// `rtx.v1.trace.{app}`: what instances of comms-websocket see happen in an app while somebody traces
/// it; live, not stored.
#[must_use]
pub fn live_trace(app: u64) -> String {
    format!("rtx.v1.trace.{app}")
}

/// A question about an app to every instance of comms-websocket; each answers.
pub const LIVE_INSPECTION: &str = "rtx.v1.inspection";

/// What instances of comms-websocket tell each other of apps and of whom an app sent away; live, not
/// stored.
pub const LIVE_CONTROL: &str = "rtx.v1.control";

/// The switch for maintenance was set; live, not stored. For every socket.
pub const MAINTENANCE: &str = "rt.v1.platform.maintenance";

/// `rcpt.v1.{tenant}.{device}`: readings that are committed.
#[must_use]
pub fn receipt(tenant: TenantId, device: DeviceId) -> String {
    format!("rcpt.v1.{tenant}.{device}")
}

/// `dir.v1.device.{device}`: a device was registered or changed; forget what you know of it.
#[must_use]
pub fn directory_changed(device: DeviceId) -> String {
    format!("dir.v1.device.{device}")
}

/// A request of auth, answered by one instance of device-ingest: end a device's connections once
/// the broker has a revocation list in force.
pub const BROKER_CUT: &str = "brk.v1.cut";

/// A request of auth, answered by one instance of device-ingest: take or keep a device out of
/// quarantine.
pub const DEVICE_STANDING: &str = "dev.v1.standing";

/// Changes of any device.
pub const DIRECTORY_CHANGES: &str = "dir.v1.device.*";

/// Receipts of all tenants.
pub const RECEIPTS: &str = "rcpt.v1.>";

/// Live event names.
pub mod live {
    /// A reading was stored.
    pub const TELEMETRY_RECEIVED: &str = "telemetry.received";
    /// A command changed its state.
    pub const COMMAND_CHANGED: &str = "command.changed";
    /// A device came or went.
    pub const PRESENCE_CHANGED: &str = "presence.changed";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_pinned() {
        let tenant: TenantId = "0190a6f2-7c2a-7b52-9c11-000000000001".parse().unwrap();
        let device: DeviceId = "0190a6f2-7c2a-7b52-9c11-000000000002".parse().unwrap();
        let golden = [
            (
                telemetry(tenant, device, "reading"),
                "tel.v1.7.0190a6f2-7c2a-7b52-9c11-000000000001.0190a6f2-7c2a-7b52-9c11-000000000002.reading",
            ),
            (
                quarantine(tenant, device),
                "qtn.v1.0190a6f2-7c2a-7b52-9c11-000000000001.0190a6f2-7c2a-7b52-9c11-000000000002",
            ),
            (
                command(tenant, device),
                "cmd.v1.0190a6f2-7c2a-7b52-9c11-000000000001.0190a6f2-7c2a-7b52-9c11-000000000002",
            ),
            (
                report(tenant, device, "status"),
                "rpt.v1.0190a6f2-7c2a-7b52-9c11-000000000001.0190a6f2-7c2a-7b52-9c11-000000000002.status",
            ),
            (audit(Some(tenant)), "audit.v1.0190a6f2-7c2a-7b52-9c11-000000000001"),
            (audit(None), "audit.v1.platform"),
            (
                webhook(tenant, 1_234_567_890),
                "whk.v1.0190a6f2-7c2a-7b52-9c11-000000000001.1234567890",
            ),
            (event("scheduler", "schedule", "fired"), "evt.v1.scheduler.schedule.fired"),
            (job("default", "partition-maintenance"), "job.v1.default.partition-maintenance"),
            (dead_letter("TELEMETRY", "telemetry-writer"), "dlq.v1.TELEMETRY.telemetry-writer"),
            (
                live_device(tenant, device, live::COMMAND_CHANGED),
                "rt.v1.0190a6f2-7c2a-7b52-9c11-000000000001.device.0190a6f2-7c2a-7b52-9c11-000000000002.command.changed",
            ),
            (live_channel(7, "private-a.b,c"), "rtc.v1.7.cHJpdmF0ZS1hLmIsYw"),
            (live_channels(7), "rtc.v1.7.*"),
            (live_trace(7), "rtx.v1.trace.7"),
            (
                receipt(tenant, device),
                "rcpt.v1.0190a6f2-7c2a-7b52-9c11-000000000001.0190a6f2-7c2a-7b52-9c11-000000000002",
            ),
        ];
        for (made, expected) in golden {
            assert_eq!(made, expected);
        }
        assert_eq!((BROKER_CUT, DEVICE_STANDING), ("brk.v1.cut", "dev.v1.standing"));
        assert_eq!((LIVE_CONTROL, LIVE_INSPECTION), ("rtx.v1.control", "rtx.v1.inspection"));
        assert_eq!(channel_of(&live_channel(7, "a.b,c")).as_deref(), Some("a.b,c"));
        assert_eq!((channel_of("rtc.v1.7.*"), channel_of("rt.v1.7.YQ")), (None, None));
    }

    #[test]
    fn parts_spread_devices() {
        let mut seen = [0_u32; PARTS as usize];
        for n in 0..1_600_u128 {
            let device = DeviceId::from_uuid(uuid::Uuid::from_u128(n << 64 | n));
            seen[part(device) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (40..=200).contains(count)), "{seen:?}");
    }
}
