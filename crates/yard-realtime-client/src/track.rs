use std::collections::{HashSet, VecDeque};

/// Message ids that are remembered, so that one that is sent again is heard once.
const REMEMBERED: usize = 1_000;

/// A place in a recoverable channel: everything up to this offset was heard.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Other numbers begin with another epoch.
    pub epoch: String,
    /// From 1, without holes.
    pub offset: u64,
}

/// How far a channel was heard.
#[derive(Debug, Default)]
pub(crate) struct Track {
    position: Option<Position>,
    /// The confirmed message that comes next.
    announced: Option<String>,
    heard: Heard,
}

#[derive(Debug, Default)]
struct Heard {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

/// What an event is to whoever hears it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: Option<Position>,
    pub(crate) message: Option<String>,
    /// A confirmed message that was heard before: acknowledge it, and no more.
    pub(crate) again: bool,
}

impl Track {
    pub(crate) const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The service says where the channel stands.
    pub(crate) fn stand_at(&mut self, position: Position) {
        self.position = Some(position);
    }

    /// The service says that the next event is a confirmed message.
    pub(crate) fn announce(&mut self, id: String) {
        self.announced = Some(id);
    }

    /// A new socket: what was announced by the last one does not come.
    pub(crate) fn interrupt(&mut self) {
        self.announced = None;
    }

    /// Counts an event.
    pub(crate) fn hear(&mut self) -> Place {
        // A confirmed message has an id and no number.
        if let Some(id) = self.announced.take() {
            let again = !self.heard.add(&id);
            return Place { position: None, message: Some(id), again };
        }
        if let Some(position) = &mut self.position {
            position.offset += 1;
        }
        Place { position: self.position.clone(), message: None, again: false }
    }
}

impl Heard {
    /// `false` if it was there.
    fn add(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_from_where_the_service_says_the_channel_stands() {
        let mut track = Track::default();
        assert_eq!(track.hear().position, None);
        track.stand_at(Position { epoch: "e".to_owned(), offset: 7 });
        assert_eq!(track.hear().position.unwrap().offset, 8);
        assert_eq!(track.position().unwrap().offset, 8);
    }

    #[test]
    fn confirmed_message_that_comes_again_is_known_and_an_interrupted_one_is_not() {
        let mut track = Track::default();
        track.stand_at(Position { epoch: "e".to_owned(), offset: 7 });
        track.announce("m1".to_owned());
        let first = track.hear();
        assert_eq!(track.position().unwrap().offset, 7);
        assert_eq!((first.message.as_deref(), first.again), (Some("m1"), false));
        assert_eq!(track.hear().message, None);
        track.announce("m1".to_owned());
        assert!(track.hear().again);
        track.announce("m2".to_owned());
        track.interrupt();
        assert_eq!(track.hear().message, None);
        track.announce("m2".to_owned());
        assert!(!track.hear().again);
    }
}
