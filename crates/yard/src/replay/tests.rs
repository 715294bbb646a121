use std::path::PathBuf;

use time::macros::datetime;

use super::*;

fn shipped(name: &str) -> Recording {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name);
    Recording::read(&data).unwrap()
}

#[test]
fn water_flow_has_its_rows_with_offsets_and_hourly_steps() {
    let flow = shipped("water-flow.csv");
    assert_eq!(flow.columns, ["flow_lps"]);
    assert_eq!(flow.rows.len(), 1_268);
    assert_eq!(flow.rows[0].at, datetime!(2022-03-20 11:00 +1));
    assert_eq!(flow.rows[0].values, [Some(100.59)]);
}

#[test]
fn water_flow_change_to_summer_time_is_one_hour_like_any_other() {
    let flow = shipped("water-flow.csv");
    let change = flow.rows.iter().position(|r| r.at == datetime!(2022-03-27 1:00 +1)).unwrap();
    assert_eq!(flow.rows[change + 1].at, datetime!(2022-03-27 3:00 +2));
    assert_eq!(flow.step_after(change), Duration::from_secs(3_600));
}

#[test]
fn room_climate_has_its_columns_and_irregular_steps() {
    let room = shipped("room-climate.csv");
    assert_eq!(room.columns, ["temperature_c", "humidity_pct", "light_lux", "co2_ppm"]);
    assert_eq!(room.rows.len(), 509);
    assert_eq!(room.rows[0].at, datetime!(2015-02-04 17:51 UTC));
    assert_eq!(room.rows[0].values, [Some(23.18), Some(27.272), Some(426.0), Some(721.25)]);
    assert_eq!(room.step_after(0), Duration::from_secs(16 * 60));
}

#[test]
fn rows_go_round_and_the_step_over_the_end_is_the_last_one() {
    let parsed = csv::parse("t,a\n2022-01-01T00:00:00Z,1\n2022-01-01T00:00:05Z,\n").unwrap();
    assert_eq!(parsed.row(2), parsed.row(0));
    assert_eq!(parsed.row(1).values, [None]);
    assert_eq!(parsed.step_after(1), Duration::from_secs(5));
    let single = csv::parse("t,a\n2022-01-01T00:00:00Z,1\n").unwrap();
    assert_eq!(single.step_after(7), Duration::from_secs(1));
}

#[test]
fn rows_that_go_back_in_time_wait_no_time() {
    let parsed = csv::parse("t,a\n2022-01-01T00:00:05Z,1\n2022-01-01T00:00:00Z,2\n").unwrap();
    assert_eq!(parsed.step_after(0), Duration::ZERO);
}

#[test]
fn csv_broken_files_are_refused_with_the_line() {
    for (text, says) in [
        ("", "no rows"),
        ("t,a\n", "no rows"),
        ("t\n1\n", "names no value"),
        ("t,a\nyesterday,1\n", "line 2: \"yesterday\" is no time"),
        ("t,a\n2022-01-01T00:00:00Z,x\n", "line 2: \"x\" is no number"),
        ("t,a\n2022-01-01T00:00:00Z,inf\n", "line 2: \"inf\" is no number"),
        ("t,a\n2022-01-01T00:00:00Z,1,2\n", "line 2: as many cells"),
    ] {
        let error = csv::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text:?}: {error}");
    }
}
