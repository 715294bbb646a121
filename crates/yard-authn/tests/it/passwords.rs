//! What checking passwords leaves behind. A test here may not hash beside another: both measure the
//! whole process.

use std::thread;

use yard_authn::password;

/// Memory of the process that is no file's, KiB.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_of_checks_at_the_same_time_is_given_back() {
    let stored = password::hash("correct horse").unwrap();
    let before = resident();
    for _round in 0..2 {
        let checks: Vec<_> = (0..4)
            .map(|_| {
                let stored = stored.clone();
                thread::spawn(move || password::verify("correct horse", &stored))
            })
            .collect();
        assert!(checks.into_iter().all(|check| check.join().unwrap()));
    }
    // Each check works in 19 MiB.
    let left = resident() - before;
    assert!(left < 8 * 1_024, "{left} KiB are left of eight checks");
}
