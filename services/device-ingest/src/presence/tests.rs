use super::*;

const fn stored(state: State, epoch: i64) -> Option<Stored> {
    Some(Stored { state, epoch })
}

#[test]
fn reports_are_fenced_by_epoch() {
    let said = |online, epoch| Said { online, epoch };
    for (before, report, expected) in [
        (None, said(true, 1), Some(State::Online)),
        (None, said(false, 0), Some(State::Offline)),
        (stored(State::Online, 5), said(false, 5), Some(State::Offline)),
        (stored(State::Offline, 5), said(true, 5), Some(State::Online)),
        (stored(State::Stale, 5), said(true, 6), Some(State::Online)),
        // The will of the connection before.
        (stored(State::Online, 6), said(false, 5), None),
        (stored(State::Offline, 6), said(true, 5), None),
    ] {
        assert_eq!(after(before, report), expected, "{before:?} {report:?}");
    }
}
