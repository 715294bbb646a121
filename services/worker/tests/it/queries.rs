use std::collections::BTreeSet;

use prost_types::Timestamp;
use tonic::Code;
use yard_contracts::telemetry::v1::{
    GetLatestReadingRequest, GetSequenceReportRequest, GetSeriesRequest, ListReadingsRequest,
    SequenceGap, TelemetryRecord,
};
use yard_contracts::values;
use yard_ids::{DeviceId, TenantId};

use crate::support::{Service, World, at, device, now, record};

fn hours_ago(hours: i64) -> Option<Timestamp> {
    Some(values::timestamp(now() - time::Duration::hours(hours)))
}

struct Stored {
    world: World,
    service: Service,
    tenant: TenantId,
    device: DeviceId,
}

async fn stored(make: impl Fn(TenantId, DeviceId) -> Vec<TelemetryRecord>) -> Stored {
    let world = World::new().await;
    let (tenant, device) = (world.tenant("acme").await, device());
    world.publish(&make(tenant, device)).await;
    let service = world.start().await;
    world.drained().await;
    Stored { world, service, tenant, device }
}

impl Stored {
    fn page(&self, size: i32, token: &str) -> ListReadingsRequest {
        ListReadingsRequest {
            device_id: self.device.to_string(),
            from: hours_ago(2),
            to: None,
            page_size: size,
            page_token: token.to_owned(),
        }
    }

    fn series(&self, metric: &str, from: Option<Timestamp>) -> GetSeriesRequest {
        GetSeriesRequest {
            device_id: self.device.to_string(),
            metric: metric.to_owned(),
            from,
            to: None,
            buckets: 10,
        }
    }
}

#[tokio::test]
async fn keyset_pages_are_complete_and_ordered_under_concurrent_inserts() {
    // Three readings in each second, so that pages end amid one moment.
    let stored = stored(|tenant, device| {
        (0..600)
            .map(|n| TelemetryRecord {
                occurred_at: record(tenant, device, n / 3).occurred_at,
                ..record(tenant, device, n)
            })
            .collect()
    })
    .await;
    let mut client = stored.service.telemetry();
    let (mut seen, mut token, mut last) = (Vec::new(), String::new(), None);
    loop {
        let request = stored.world.of(stored.tenant, stored.page(70, &token));
        let page = client.list_readings(request).await.unwrap().into_inner();
        for reading in page.readings {
            let moment = values::moment(reading.occurred_at.as_ref().unwrap()).unwrap();
            let key = Some((moment, reading.message_id));
            assert!(last < key, "not in order");
            last = key;
            seen.push(reading.sequence);
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let next = 1_000 + i64::try_from(seen.len()).unwrap();
        stored.world.publish(&[at(stored.tenant, stored.device, next, now())]).await;
        stored.world.drained().await;
    }
    let first: BTreeSet<i64> = seen.iter().copied().filter(|n| *n < 1_000).collect();
    assert_eq!(first.len(), 600);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "none twice");
    stored.service.stop().await;
}

#[tokio::test]
async fn series_keeps_a_spike_and_leaves_out_what_is_no_number() {
    let stored = stored(|tenant, device| {
        let mut records: Vec<_> = (1..=1_000).map(|n| record(tenant, device, n)).collect();
        records[500].values_json = r#"{"temperature": 99.5}"#.to_owned();
        records[501].values_json = r#"{"temperature": "hot"}"#.to_owned();
        records[502].values_json = r#"{"temperature": null}"#.to_owned();
        records
    })
    .await;
    let mut client = stored.service.telemetry();
    let request = stored.world.of(stored.tenant, stored.series("temperature", hours_ago(2)));
    let series = client.get_series(request).await.unwrap().into_inner();
    assert!(series.buckets.len() <= 10 && !series.buckets.is_empty());
    assert_eq!(series.buckets.iter().map(|b| b.count).sum::<i32>(), 998);
    let spikes: Vec<_> = series.buckets.iter().filter(|b| b.max > 99.0).collect();
    assert!(matches!(spikes[..], [spike] if spike.min == 20.5 && spike.mean < 25.0), "{spikes:?}");
    let request = stored.world.of(stored.tenant, stored.series("pressure", hours_ago(2)));
    assert_eq!(client.get_series(request).await.unwrap().into_inner().buckets, []);
    stored.service.stop().await;
}

#[tokio::test]
async fn sequence_report_names_gaps_duplicates_and_disorder() {
    let stored = stored(|tenant, device| {
        // 4 to 6 and 9 are missing; 8 came before 7; 3 is there twice, with two times.
        let sequences = [1, 2, 3, 8, 7, 10];
        let begun = now();
        let mut records = Vec::new();
        for (place, n) in (0_i32..).zip(sequences) {
            let received = begun + time::Duration::milliseconds(i64::from(place));
            let received_at = Some(values::timestamp(received));
            records.push(TelemetryRecord { received_at, ..record(tenant, device, n) });
        }
        let twice = at(tenant, device, 3, begun - time::Duration::minutes(1));
        let received_at = records[2].received_at;
        records.push(TelemetryRecord { received_at, ..twice });
        records.push(TelemetryRecord { epoch: 2, ..record(tenant, device, 500) });
        records
    })
    .await;
    let mut client = stored.service.telemetry();
    let asked = GetSequenceReportRequest { device_id: stored.device.to_string(), epoch: 1 };
    let request = stored.world.of(stored.tenant, asked);
    let report = client.get_sequence_report(request).await.unwrap().into_inner();
    assert_eq!((report.stored, report.distinct_sequences), (7, 6));
    assert_eq!((report.first_sequence, report.last_sequence), (1, 10));
    let gap = |first_missing, last_missing| SequenceGap { first_missing, last_missing };
    assert_eq!(report.gaps, [gap(4, 6), gap(9, 9)]);
    assert_eq!(report.out_of_order, 1);
    assert!(report.stored_p50_ms > 0.0 && report.stored_p99_ms >= report.stored_p50_ms);
    let asked = GetSequenceReportRequest { device_id: stored.device.to_string(), epoch: 9 };
    let request = stored.world.of(stored.tenant, asked);
    let nothing = client.get_sequence_report(request).await.unwrap().into_inner();
    assert_eq!((nothing.stored, nothing.gaps), (0, vec![]));
    stored.service.stop().await;
}

#[tokio::test]
async fn latest_reading_is_the_newest_by_the_devices_time() {
    let stored = stored(|tenant, device| [5, 9, 2].map(|n| record(tenant, device, n)).into()).await;
    let mut client = stored.service.telemetry();
    let asked = GetLatestReadingRequest { device_id: stored.device.to_string() };
    let request = stored.world.of(stored.tenant, asked);
    let latest = client.get_latest_reading(request).await.unwrap().into_inner();
    assert_eq!((latest.sequence, latest.epoch), (9, 1));
    assert!(latest.values.unwrap().fields.contains_key("temperature"));
    stored.service.stop().await;
}

#[tokio::test]
async fn another_tenants_device_looks_like_none() {
    let stored = stored(|tenant, device| vec![record(tenant, device, 1)]).await;
    let other = stored.world.tenant("globex").await;
    let mut client = stored.service.telemetry();
    let request = stored.world.of(other, stored.page(0, ""));
    assert_eq!(client.list_readings(request).await.unwrap().into_inner().readings, []);
    let request = stored.world.of(other, stored.series("temperature", None));
    assert_eq!(client.get_series(request).await.unwrap().into_inner().buckets, []);
    let mut answers = Vec::new();
    for device in [stored.device, device()] {
        let asked = GetLatestReadingRequest { device_id: device.to_string() };
        let refused = client.get_latest_reading(stored.world.of(other, asked)).await.unwrap_err();
        answers.push((refused.code(), refused.message().to_owned()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, Code::NotFound);
    stored.service.stop().await;
}

#[tokio::test]
async fn requests_without_right_or_sense_are_refused() {
    let stored = stored(|tenant, device| vec![record(tenant, device, 1)]).await;
    let (world, tenant) = (&stored.world, stored.tenant);
    let mut client = stored.service.telemetry();
    let anonymous = client.list_readings(stored.page(0, "")).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    let request = world.request(Some(tenant), "devices.read", stored.page(0, ""));
    let forbidden = client.list_readings(request).await.unwrap_err();
    assert_eq!(forbidden.code(), Code::PermissionDenied);
    for wrong in [
        ListReadingsRequest { device_id: "7".to_owned(), ..stored.page(0, "") },
        stored.page(1_001, ""),
        stored.page(0, "zz"),
        ListReadingsRequest { from: hours_ago(1), to: hours_ago(2), ..stored.page(0, "") },
    ] {
        let refused = client.list_readings(world.of(tenant, wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    for wrong in [
        stored.series("a'b", None),
        stored.series("temperature", hours_ago(24 * 94)),
        GetSeriesRequest { buckets: 2_001, ..stored.series("temperature", None) },
    ] {
        let refused = client.get_series(world.of(tenant, wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    stored.service.stop().await;
}
