use std::time::Duration;

use super::*;
use crate::app::AppId;
use crate::channel::ChannelName;
use crate::confirmed::wish::Level;
use crate::hub::{Item, Limits};

const PAUSE: Duration = Duration::from_secs(15);

struct World {
    seats: Seats,
    recipient: Recipient,
}

fn key(name: &str) -> ChannelKey {
    ChannelKey { app: AppId::new(1_234_567_890), name: ChannelName::parse(name).unwrap() }
}

fn outbox(id: u64, items: usize) -> Arc<Outbox> {
    Arc::new(Outbox::new(id, Limits { items, bytes: 100_000 }, "1.1"))
}

fn id(seq: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(seq).unwrap())
}

impl World {
    fn new() -> Self {
        let recipient = Recipient { channel: key("private-a"), user: "1".into() };
        Self { seats: Seats::default(), recipient }
    }

    fn sit(&self, outbox: &Arc<Outbox>) -> u64 {
        let number = self.seats.add(self.recipient.clone(), outbox);
        self.seats.admit(&HashSet::from([number]));
        number
    }

    /// Sends what is owed; the numbers of what was sent to any seat.
    fn deliver(&self, owed: &[i64], level: Level, now: Instant) -> Vec<i64> {
        let owed: Vec<(i64, Uuid)> = owed.iter().map(|&seq| (seq, id(seq))).collect();
        let mut sent = Vec::new();
        for parcel in self.seats.plan(&self.recipient, &owed, 64, now) {
            let head = (parcel.id, parcel.seq, level);
            let letter = Arc::new(Letter::new(&self.recipient.channel.name, head, "e", "{}"));
            if self.seats.send(&parcel, &letter, now, |_| PAUSE) {
                sent.push(parcel.seq);
            }
        }
        sent
    }

    fn receipts(&self) -> Vec<Uuid> {
        self.seats.take(Instant::now(), 0).receipts.into_iter().map(|one| one.id).collect()
    }
}

fn pings(outbox: &Outbox) -> Vec<Option<PingNumber>> {
    std::iter::from_fn(|| outbox.pop())
        .filter_map(|item| match item {
            Item::Confirmed(_, ping) => Some(ping),
            _ => None,
        })
        .collect()
}

#[test]
fn message_is_sent_once_to_each_socket_and_again_when_its_pause_is_over() {
    let (world, now) = (World::new(), Instant::now());
    let (one, two) = (outbox(1, 256), outbox(2, 256));
    world.sit(&one);
    assert_eq!(world.deliver(&[1, 2], Level::App, now), [1, 2]);
    world.sit(&two);
    assert_eq!(world.deliver(&[1, 2, 3], Level::App, now), [1, 2, 3]);
    assert_eq!((pings(&one).len(), pings(&two).len()), (3, 3));
    assert!(world.deliver(&[1, 2, 3], Level::App, now + PAUSE / 2).is_empty());
    assert_eq!(world.deliver(&[2, 3], Level::App, now + PAUSE), [2, 3]);
}

#[test]
fn socket_whose_join_is_not_answered_gets_nothing() {
    let (world, now) = (World::new(), Instant::now());
    let number = world.seats.add(world.recipient.clone(), &outbox(7, 256));
    assert!(world.deliver(&[1], Level::App, now).is_empty());
    assert_eq!(world.seats.coming(), [(number, key("private-a"), 7)]);
    world.seats.remove(&world.recipient, number);
    assert!(world.seats.coming().is_empty() && world.seats.is_empty());
}

#[test]
fn seat_that_is_given_up_gets_nothing_and_nobody_else_is_looked_after_for_it() {
    let (world, now) = (World::new(), Instant::now());
    let socket = outbox(1, 256);
    let number = world.sit(&socket);
    let owed = [(1, id(1))];
    let parcels = world.seats.plan(&world.recipient, &owed, 64, now);
    world.seats.remove(&world.recipient, number);
    let head = (id(1), 1, Level::App);
    let letter = Arc::new(Letter::new(&key("private-a").name, head, "e", "{}"));
    assert!(parcels.iter().all(|parcel| !world.seats.send(parcel, &letter, now, |_| PAUSE)));
    assert!(socket.pop().is_none());
}

#[test]
fn crowded_socket_gets_the_rest_later_and_in_order() {
    let (world, now) = (World::new(), Instant::now());
    let socket = outbox(1, 8);
    world.sit(&socket);
    assert_eq!(world.deliver(&[1, 2, 3, 4, 5, 6], Level::App, now), [1, 2, 3, 4]);
    assert!(socket.closing().is_none());
    drop(pings(&socket));
    let later = now + crate::confirmed::delivery::CROWDED;
    drop(world.seats.take(later, 9));
    assert_eq!(world.deliver(&[1, 2, 3, 4, 5, 6], Level::App, later), [5, 6]);
}

#[test]
fn pong_is_for_all_pings_of_its_own_seat_before_it_and_for_no_other() {
    let (world, now) = (World::new(), Instant::now());
    let (one, two) = (outbox(1, 256), outbox(2, 256));
    let seat = world.sit(&one);
    world.sit(&two);
    world.deliver(&[1, 2, 3], Level::Transport, now);
    let numbers: Vec<u64> = pings(&one).into_iter().flatten().map(|ping| ping.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let at = OffsetDateTime::UNIX_EPOCH;
    for (socket, ping) in [(2, PingNumber { seat, number: 3 }), (1, PingNumber { seat, number: 4 })]
    {
        world.seats.ponged(socket, ping, at);
        assert!(world.receipts().is_empty(), "{ping:?}");
    }
    world.seats.ponged(1, PingNumber { seat: 99, number: 1 }, at);
    world.seats.ponged(1, PingNumber { seat, number: 2 }, at);
    assert_eq!(world.receipts(), [id(1), id(2)]);
    world.seats.ponged(1, PingNumber { seat, number: 3 }, at);
    assert_eq!(world.receipts(), [id(3)], "each is told once");
}

#[test]
fn pong_says_nothing_of_what_the_app_has_to_acknowledge() {
    let (world, now) = (World::new(), Instant::now());
    let socket = outbox(1, 256);
    let seat = world.sit(&socket);
    world.deliver(&[1], Level::App, now);
    world.deliver(&[1, 2], Level::Transport, now);
    assert_eq!(pings(&socket), [None, Some(PingNumber { seat, number: 1 })]);
    world.seats.ponged(1, PingNumber { seat, number: 1 }, OffsetDateTime::UNIX_EPOCH);
    assert_eq!(world.receipts(), [id(2)]);
}

#[test]
fn acknowledgements_that_wait_are_bounded() {
    let world = World::new();
    let ids: Vec<Uuid> = (0..100).map(id).collect();
    for _ in 0..=MOST_WAITING / ids.len() {
        world.seats.acknowledged(&world.recipient, &ids, OffsetDateTime::UNIX_EPOCH);
    }
    assert_eq!(world.receipts().len(), MOST_WAITING);
}

#[test]
fn wake_is_for_those_in_the_channel_and_work_is_taken_in_parts() {
    let world = World::new();
    let socket = outbox(1, 256);
    world.sit(&socket);
    let other = Recipient { user: "2".into(), ..world.recipient.clone() };
    world.seats.add(other, &socket);
    drop(world.seats.take(Instant::now(), 9));
    world.seats.wake(&key("private-b"));
    assert!(world.seats.take(Instant::now(), 9).looks.is_empty());
    world.seats.wake(&key("private-a"));
    let now = Instant::now();
    let first = world.seats.take(now, 1);
    assert_eq!((first.looks.len(), first.next), (1, Some(now)));
    assert_eq!(world.seats.take(now, 9).looks.len(), 1);
}
