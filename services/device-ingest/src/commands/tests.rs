use proptest::prelude::*;

use super::*;

fn steps() -> Vec<Step> {
    let mut steps = vec![Step::BrokerAccepted, Step::DeadlinePassed, Step::Cancel];
    steps.extend(DeviceWord::ALL.map(Step::Device));
    steps
}

fn any_step() -> impl Strategy<Value = Step> {
    proptest::sample::select(steps())
}

#[test]
fn req_lmu_30_steps_lead_where_they_should() {
    use DeviceWord as Word;
    for (before, step, after) in [
        (State::Queued, Step::BrokerAccepted, Some(State::Dispatched)),
        (State::Queued, Step::Cancel, Some(State::Cancelled)),
        (State::Queued, Step::DeadlinePassed, Some(State::Expired)),
        // The device's answer may overtake our own note that the broker has it.
        (State::Queued, Step::Device(Word::Succeeded), Some(State::Succeeded)),
        (State::Dispatched, Step::Device(Word::Delivered), Some(State::Delivered)),
        (State::Dispatched, Step::DeadlinePassed, Some(State::Expired)),
        (State::Dispatched, Step::Cancel, None),
        (State::Dispatched, Step::BrokerAccepted, None),
        (State::Delivered, Step::Device(Word::Acked), Some(State::Acked)),
        (State::Delivered, Step::DeadlinePassed, Some(State::Unknown)),
        (State::Acked, Step::Device(Word::Running), Some(State::Running)),
        (State::Acked, Step::Device(Word::Delivered), None),
        (State::Running, Step::Device(Word::Running), None),
        (State::Running, Step::Device(Word::Failed), Some(State::Failed)),
        (State::Running, Step::DeadlinePassed, Some(State::Unknown)),
        (State::Unknown, Step::Device(Word::Succeeded), Some(State::Succeeded)),
        (State::Unknown, Step::Device(Word::Running), None),
        (State::Unknown, Step::Cancel, None),
        (State::Succeeded, Step::Device(Word::Failed), None),
        (State::Expired, Step::Device(Word::Succeeded), None),
        (State::Cancelled, Step::BrokerAccepted, None),
    ] {
        assert_eq!(before.after(step), after, "{before:?} {step:?}");
    }
}

#[test]
fn state_texts_are_read_back_and_words_are_states() {
    for state in State::ALL {
        assert_eq!(State::from_text(state.as_str()), Some(*state));
    }
    for word in DeviceWord::ALL {
        let state = State::Queued.after(Step::Device(word)).unwrap();
        assert_eq!(DeviceWord::from_text(state.as_str()), Some(word));
    }
}

#[test]
fn terminal_states_are_never_left() {
    for state in State::ALL.iter().filter(|state| state.is_terminal()) {
        for step in steps() {
            assert_eq!(state.after(step), None, "{state:?} {step:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_steps_lead_forward_only(steps in proptest::collection::vec(any_step(), 0..40)) {
        let mut state = State::Queued;
        for step in steps {
            if let Some(next) = state.after(step) {
                prop_assert!(!state.is_terminal());
                prop_assert!(next.rank() > state.rank(), "{state:?} {step:?} {next:?}");
                state = next;
            }
        }
    }
}
