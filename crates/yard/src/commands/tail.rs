use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};

use crate::api::{Api, Event};
use crate::devices::find_device;
use crate::failure::Outcome;
use crate::output::Output;

/// Arguments of `yard tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Id or name of the device.
    pub device: String,
    /// Ends after so many events.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Prints a device's events as they happen, until interrupted.
pub async fn run(args: &TailArgs, api: &Api, out: Output) -> Outcome {
    let device = find_device(api, &args.device).await?.device_id;
    let tenant = api.me().await?.tenant_id;
    let path = format!("/api/v1/channels/private-organization.{tenant}.device.{device}/events");
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut connected_before = false;
    while left > 0 {
        match watch(api, &path, &mut left, &mut connected_before, out).await {
            // The first try tells of a wrong address; later ones are a platform that restarts.
            Err(failure) if connected_before && failure.is_passing() => {
                out.note(&format!("{failure}; trying again"));
            }
            outcome => outcome?,
        }
        if left > 0 {
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
    Ok(())
}

async fn watch(
    api: &Api,
    path: &str,
    left: &mut u64,
    connected: &mut bool,
    out: Output,
) -> Outcome {
    let mut events = api.events(path).await?;
    *connected = true;
    while *left > 0 {
        let Some(event) = events.next().await? else {
            return Ok(());
        };
        *left -= 1;
        out.answer(&event, |out| out.line(&line(&event)));
    }
    Ok(())
}

/// `time  event  key=value …`, the values of a reading first.
fn line(event: &Event) -> String {
    let at = event.data.get("at").or_else(|| event.data.get("occurred_at"));
    let at = at.and_then(Value::as_str).or(event.at.as_deref()).unwrap_or_default();
    let time = at.split_once('T').map_or(at, |(_, time)| time);
    let mut pairs = Vec::new();
    if let Some(values) = event.data.get("values").and_then(Value::as_object) {
        pairs.extend(facts(values));
    }
    pairs.extend(facts(&event.data));
    format!("{time:<28}  {:<18}  {}", event.event, pairs.join(" ")).trim_end().to_owned()
}

fn facts(data: &Map<String, Value>) -> impl Iterator<Item = String> + '_ {
    // Known to the one who watches, or for machines.
    let hidden = ["device_id", "message_id", "at", "occurred_at", "received_at", "event", "epoch"];
    let shown = data.iter().filter(move |(key, value)| {
        !hidden.contains(&key.as_str()) && !value.is_object() && !value.is_null()
    });
    shown.map(|(key, value)| match value {
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reading_is_printed_with_its_time_and_values_first() {
        let event: Event = serde_json::from_value(json!({
            "event": "telemetry.received",
            "data": {"device_id": "d", "occurred_at": "2026-01-01T10:00:00.5Z", "sequence": 7,
                     "values": {"flow_lps": 100.5}},
        }))
        .unwrap();
        let text = line(&event);
        assert!(text.starts_with("10:00:00.5Z "), "{text}");
        assert!(text.ends_with("telemetry.received  flow_lps=100.5 sequence=7"), "{text}");
    }
}
