use crate::history::Position;

/// Every so many events the clients of a channel are told where they stand.
const TOLD_EVERY: u64 = 50;

/// How far this instance has followed a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    /// Nothing is numbered.
    Plain,
    /// It is not known yet where the channel stands.
    Unplaced,
    /// Everything up to here was given to everybody.
    At(Position),
}

/// What is to be done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Give,
    /// It was given, or comes with what is still to be read.
    Leave,
    /// Something before it is missing: it has to be read.
    Hole,
}

impl Course {
    /// Follows an event.
    pub(super) fn follow(&mut self, event: Option<&Position>) -> Step {
        match (&mut *self, event) {
            (Self::Plain, _) | (_, None) => Step::Give,
            (Self::Unplaced, Some(_)) => Step::Leave,
            (Self::At(at), Some(event)) if at.epoch != event.epoch => Step::Hole,
            (Self::At(at), Some(event)) if event.offset == at.offset + 1 => {
                at.offset = event.offset;
                Step::Give
            }
            (Self::At(at), Some(event)) if event.offset <= at.offset => Step::Leave,
            (Self::At(_), Some(_)) => Step::Hole,
        }
    }

    /// Where the channel stands here.
    pub(super) const fn position(&self) -> Option<&Position> {
        match self {
            Self::At(position) => Some(position),
            Self::Plain | Self::Unplaced => None,
        }
    }
}

/// Whether everybody is told of their place behind this event.
pub(super) const fn is_told(offset: u64) -> bool {
    offset.is_multiple_of(TOLD_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: &str, offset: u64) -> Position {
        Position { epoch: epoch.into(), offset }
    }

    #[test]
    fn next_event_is_given_once_and_a_hole_is_seen() {
        let mut course = Course::At(at("a", 4));
        assert_eq!(course.follow(Some(&at("a", 4))), Step::Leave);
        assert_eq!(course.follow(Some(&at("a", 6))), Step::Hole);
        assert_eq!(course.follow(Some(&at("a", 5))), Step::Give);
        assert_eq!(course.follow(Some(&at("a", 5))), Step::Leave);
        assert_eq!(course.follow(Some(&at("a", 6))), Step::Give);
        assert_eq!(course.follow(Some(&at("b", 7))), Step::Hole);
        assert_eq!(course.follow(Some(&at("b", 1))), Step::Hole);
        assert_eq!(course.follow(None), Step::Give);
        assert_eq!(course.position(), Some(&at("a", 6)));
    }

    #[test]
    fn channel_without_a_place_leaves_what_it_will_read() {
        let mut course = Course::Unplaced;
        assert_eq!(course.follow(Some(&at("a", 1))), Step::Leave);
        assert_eq!(course.follow(None), Step::Give);
        assert_eq!(Course::Plain.follow(Some(&at("a", 9))), Step::Give);
    }
}
