use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use yard_fault::Code;
use yard_ids::{Clock, DeviceId, IdSource};
use yard_messaging::Nats;

use super::report::{CertificatesRefused, RefusalReport, TopicsRefused, known_word};
use crate::registry::Registry;
use crate::telemetry;

/// Between two warnings and rows about the same device, and between two warnings about certificates.
const QUIET: Duration = Duration::from_secs(60);
/// Devices remembered at once.
const MOST_DEVICES: usize = 10_000;

/// Turns the plugin's reports into metrics, warnings and rows.
pub(crate) struct Refusals {
    registry: Registry,
    nats: Nats,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    stop: CancellationToken,
    devices: Muffler<DeviceId>,
    certificates: Muffler<()>,
}

impl Refusals {
    pub(crate) fn new(
        registry: Registry,
        nats: Nats,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        stop: CancellationToken,
    ) -> Self {
        let (devices, certificates) = (Muffler::default(), Muffler::default());
        Self { registry, nats, clock, ids, stop, devices, certificates }
    }

    pub(super) async fn take(&mut self, report: &RefusalReport) {
        for refused in &report.topics {
            count(Code::TelemetryTopicForeign, &refused.access, refused.count);
            self.topics(refused).await;
        }
        count(Code::TelemetryTopicForeign, "other", report.more_topics);
        for refused in &report.certificates {
            count(Code::DeviceCertificateRefused, &refused.reason, refused.count);
            self.certificate(refused);
        }
        count(Code::DeviceCertificateRefused, "other", report.more_certificates);
    }

    async fn topics(&mut self, refused: &TopicsRefused) {
        if refused.access == "publish" {
            let code = Code::TelemetryTopicForeign.as_str();
            telemetry::count_many("rejected", code, refused.count);
        }
        let Ok(device) = refused.device.parse::<DeviceId>() else {
            return;
        };
        let Some(times) = self.devices.speak(device, refused.count, Instant::now()) else {
            return;
        };
        let (access, topic) = (known_word(&refused.access), refused.topic.as_str());
        let code = Code::TelemetryTopicForeign.as_str();
        tracing::warn!(device = %device, code, access, topic, times, "the broker refused a device");
        self.keep(device, topic, access, times).await;
    }

    /// A row in the device's quarantine, where its owner looks. One that cannot be written is
    /// counted and logged above; the next refusal tries again.
    async fn keep(&self, device: DeviceId, topic: &str, access: &'static str, times: u64) {
        let known = match self.registry.device(device).await {
            Ok(Some(known)) => known,
            Ok(None) => return,
            Err(fault) => return fault.log("", "look up a device that was refused a topic"),
        };
        let detail = format!("refused by the broker ({access}), {times} since the last such row");
        let (id, now) = (self.ids.uuid7(), self.clock.now());
        let row = telemetry::refused_topic(&known, id, topic, detail, now);
        self.nats.publish_until_confirmed(&row, &self.stop).await;
    }

    fn certificate(&mut self, refused: &CertificatesRefused) {
        let Some(times) = self.certificates.speak((), refused.count, Instant::now()) else {
            return;
        };
        let (code, source) = (Code::DeviceCertificateRefused.as_str(), refused.source.as_str());
        let reason = known_word(&refused.reason);
        tracing::warn!(code, source, reason, times, "the broker refused a certificate");
    }
}

fn count(code: Code, how: &str, times: u64) {
    if times > 0 {
        metrics::counter!("yard_broker_refusals_total",
            "code" => code.as_str(), "how" => known_word(how))
        .increment(times);
    }
}

/// Lets somebody speak once in a while and adds up what was not said.
struct Muffler<K>(HashMap<K, Spoken>);

struct Spoken {
    at: Instant,
    unsaid: u64,
}

impl<K> Default for Muffler<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + std::hash::Hash> Muffler<K> {
    /// How many to speak of, those left out before included; `None` while it is too early.
    fn speak(&mut self, who: K, times: u64, now: Instant) -> Option<u64> {
        if self.0.len() >= MOST_DEVICES {
            self.0.retain(|_, spoken| now.duration_since(spoken.at) < QUIET);
        }
        let full = self.0.len() >= MOST_DEVICES;
        match self.0.get_mut(&who) {
            Some(spoken) if now.duration_since(spoken.at) < QUIET => {
                spoken.unsaid += times;
                None
            }
            Some(spoken) => {
                let all = spoken.unsaid + times;
                *spoken = Spoken { at: now, unsaid: 0 };
                Some(all)
            }
            None if full => None,
            None => {
                self.0.insert(who, Spoken { at: now, unsaid: 0 });
                Some(times)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_spoken_of_once_a_minute_and_added_up() {
        let mut muffler = Muffler::default();
        let begin = Instant::now();
        assert_eq!(muffler.speak(1, 5, begin), Some(5));
        assert_eq!(muffler.speak(1, 7, begin + QUIET / 2), None);
        assert_eq!(muffler.speak(2, 1, begin + QUIET / 2), Some(1));
        assert_eq!(muffler.speak(1, 3, begin + QUIET), Some(10));
        assert_eq!(muffler.speak(1, 1, begin + QUIET * 2), Some(1));
    }

    #[test]
    fn many_offenders_cannot_fill_memory() {
        let mut muffler = Muffler::default();
        let begin = Instant::now();
        for device in 0..MOST_DEVICES * 2 {
            muffler.speak(device, 1, begin);
        }
        assert_eq!(muffler.0.len(), MOST_DEVICES);
        muffler.speak(0, 1, begin + QUIET);
        assert!(muffler.0.len() < MOST_DEVICES);
    }
}
