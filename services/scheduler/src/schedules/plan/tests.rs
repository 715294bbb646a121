use proptest::prelude::*;
use time::format_description::well_known::Rfc3339;

use super::*;

fn at(text: &str) -> OffsetDateTime {
    OffsetDateTime::parse(text, &Rfc3339).unwrap()
}

fn plan(cron: &str, zone: &str) -> Plan {
    Plan::parse(cron, zone).unwrap()
}

fn times(plan: &Plan, from: &str, count: usize) -> Vec<String> {
    let mut now = at(from);
    let mut found = Vec::new();
    for _ in 0..count {
        now = plan.next_after(now).unwrap();
        found.push(now.format(&Rfc3339).unwrap());
    }
    found
}

#[test]
fn plan_with_six_fields_words_or_a_foreign_zone_is_refused() {
    for (cron, zone) in
        [("* * * * * *", "UTC"), ("every day", "UTC"), ("", "UTC"), ("61 * * * *", "UTC")]
    {
        assert!(Plan::parse(cron, zone).is_err(), "{cron}");
    }
    assert!(Plan::parse("0 2 * * *", "Mars/Olympus").is_err());
}

#[test]
fn plan_that_never_comes_has_no_next_time() {
    assert_eq!(plan("0 0 30 2 *", "UTC").next_after(at("2026-01-01T00:00:00Z")), None);
}

/// 2026: Berlin goes forward on 29 March at 02:00 and back on 25 October at 03:00; New York on
/// 8 March and 1 November, at 02:00.
#[test]
fn daily_plan_runs_once_a_day_over_daylight_saving() {
    let cases: [(&str, &str, &str, [&str; 3]); 4] = [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            // In the gap: once, right after it (03:00 local).
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T00:00:00Z",
            // In the overlap: once, the first time.
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "15 2 * * *",
            "America/New_York",
            "2026-03-07T00:00:00Z",
            ["2026-03-07T07:15:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T00:00:00Z",
            ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
    ];
    for (cron, zone, from, expected) in cases {
        assert_eq!(times(&plan(cron, zone), from, 3), expected, "{cron} {zone} from {from}");
    }
}

#[test]
fn interval_plan_runs_by_real_time_over_daylight_saving() {
    let hourly = plan("0 * * * *", "Europe/Berlin");
    for from in ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"] {
        let mut now = at(from);
        for _ in 0..8 {
            let next = hourly.next_after(now).unwrap();
            assert_eq!(next - now, Duration::hours(1), "after {now}");
            now = next;
        }
    }
}

#[test]
fn decision_fires_once_for_the_latest_of_many_missed() {
    let hourly = plan("0 * * * *", "UTC");
    let (due, now) = (at("2026-01-01T01:00:00Z"), at("2026-01-01T05:00:03Z"));
    let planned_at = at("2026-01-01T05:00:00Z");
    let decision = hourly.decide(due, now, Duration::hours(1));
    assert_eq!(decision, Decision::Fire { planned_at, cause: Cause::Plan });
}

#[test]
fn decision_catches_up_within_the_deadline_and_skips_beyond() {
    let daily = plan("0 2 * * *", "UTC");
    let due = at("2026-01-01T02:00:00Z");
    let cases = [
        ("2026-01-01T02:01:00Z", Some(Cause::Plan)),
        ("2026-01-01T02:01:01Z", Some(Cause::CatchUp)),
        ("2026-01-01T14:00:00Z", Some(Cause::CatchUp)),
        ("2026-01-01T14:00:01Z", None),
    ];
    for (now, cause) in cases {
        let expected = match cause {
            Some(cause) => Decision::Fire { planned_at: due, cause },
            None => Decision::Skip { planned_at: due },
        };
        assert_eq!(daily.decide(due, at(now), Duration::hours(12)), expected, "{now}");
    }
}

const CRONS: [&str; 7] = [
    "* * * * *",
    "*/5 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "0 0 1 * *",
    "15 3 * * 1-5",
    "0 12 29 2 *",
];
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
];

proptest! {
    #[test]
    fn next_time_is_later_and_nothing_lies_between(
        seconds in 1_600_000_000_i64..2_000_000_000,
        cron in proptest::sample::select(&CRONS),
        zone in proptest::sample::select(&ZONES),
    ) {
        let plan = plan(cron, zone);
        let now = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let next = plan.next_after(now).unwrap();
        prop_assert!(next > now);
        prop_assert_eq!(next.second(), 0);
        // Seen from any moment between, it is still the next.
        let between = now + (next - now) / 2;
        if between < next {
            prop_assert_eq!(plan.next_after(between), Some(next));
        }
        // And at its time it is the last.
        prop_assert_eq!(plan.last_until(next), Some(next));
    }

    #[test]
    fn decision_never_plans_after_now_or_before_due(
        seconds in 1_600_000_000_i64..2_000_000_000, late in 0_i64..1_000_000,
        cron in proptest::sample::select(&CRONS),
    ) {
        let plan = plan(cron, "Europe/Berlin");
        let start = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let due = plan.next_after(start).unwrap();
        let now = due + Duration::seconds(late);
        let (Decision::Fire { planned_at, .. } | Decision::Skip { planned_at }) =
            plan.decide(due, now, Duration::hours(1));
        prop_assert!(due <= planned_at && planned_at <= now);
        prop_assert!(plan.next_after(now).unwrap() > now);
    }
}
