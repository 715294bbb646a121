//! Many sockets in one thread: one look at the kernel for all that is there, one read for each socket
//! that has something, no JSON beyond a scan. What the client spends the server has not: both share
//! the machine.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::frames::{self, Frames};
use super::latency::Latencies;
use super::letter::Letter;
use super::target::{App, Target};

/// Read at once, bytes: more than a server lets wait for one socket between two turns.
const READ: usize = 64 * 1_024;
/// Sockets that are looked at in one turn.
const TURN: usize = 1_024;
/// Addresses that sockets come from: one has 28,000 ports.
const SOURCES: usize = 8;
/// Nothing of a socket for so long is the end of a run.
const PATIENCE: Duration = Duration::from_secs(30);
const ESTABLISHED: &[u8] = br#"socket_id\":\""#;
const SUCCEEDED: &[u8] = b"subscription_succeeded";
const PING: &[u8] = b"pusher:ping";
const PONG: &str = r#"{"event":"pusher:pong","data":{}}"#;

/// Sockets of one server.
pub(super) struct Swarm {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    clients: Vec<Client>,
    world: World,
    pub(super) tally: Tally,
}

/// What all sockets share.
struct World {
    app: App,
    address: SocketAddr,
    begun: Instant,
    publishers: usize,
}

/// What has come, over all sockets.
#[derive(Default)]
pub(super) struct Tally {
    /// Events.
    pub(super) delivered: u64,
    /// Events that came behind a gap, or again, or too late.
    pub(super) misplaced: u64,
    pub(super) latencies: Latencies,
    /// Sockets that became ready.
    ready: usize,
    /// What ended a socket that should not have ended.
    problem: Option<String>,
    near: usize,
}

/// How opening went.
pub(super) struct Opening {
    pub(super) took: Duration,
    /// Each socket, from the connection's first packet until it was ready.
    pub(super) each: Vec<Duration>,
}

struct Client {
    stream: TcpStream,
    stage: Stage,
    frames: Frames,
    /// The answer to the handshake, until it is whole.
    head: Vec<u8>,
    /// What the kernel has not taken yet.
    out: Vec<u8>,
    channel: Option<String>,
    begun: Instant,
    took: Option<Duration>,
    received: u64,
    /// Of each publisher, the number that has to come next.
    next: Box<[u32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Shaking,
    Greeted,
    Joining,
    Ready,
    Gone,
}

impl Swarm {
    /// `publishers` are those whose events are counted.
    pub(super) fn new(target: &Target, publishers: usize) -> Result<Self> {
        let app = target.app()?;
        let world = World { app, address: target.address, begun: Instant::now(), publishers };
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(TURN),
            scratch: vec![0; READ],
            clients: Vec::new(),
            world,
            tally: Tally::default(),
        })
    }

    /// When the time of letters begins.
    pub(super) const fn begun(&self) -> Instant {
        self.world.begun
    }

    /// Opens so many more sockets, `at_once` at the same time. Each joins the channel of its number,
    /// if it has one, before the next takes its turn.
    pub(super) fn open(
        &mut self,
        count: usize,
        at_once: usize,
        channel: impl Fn(usize) -> Option<String>,
    ) -> Result<Opening> {
        let begun = Instant::now();
        let (first, all) = (self.clients.len(), self.clients.len() + count);
        let before = self.tally.ready;
        while self.tally.ready - before < count {
            let under_way = (self.clients.len() - first) - (self.tally.ready - before);
            for _ in under_way..at_once.min(all - self.clients.len() + under_way) {
                let number = self.clients.len();
                let client = Client::connect(&self.world, number, channel(number))?;
                self.clients.push(client);
                self.watch(number)?;
            }
            self.turn(Duration::from_millis(100))?;
            ensure!(begun.elapsed() < PATIENCE, "{} sockets do not open", all - self.tally.ready);
        }
        let took = begun.elapsed();
        let opened = self.clients.get(first..).unwrap_or_default();
        Ok(Opening { took, each: opened.iter().filter_map(|client| client.took).collect() })
    }

    /// Ends every connection without a word.
    pub(super) fn drop_all(&mut self) {
        self.clients.clear();
    }

    /// Takes what has come; waits so long for something.
    pub(super) fn turn(&mut self, patience: Duration) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.context("look at the sockets")?,
        }
        for event in &self.events {
            let Some(client) = self.clients.get_mut(event.token().0) else { continue };
            if let Err(error) = client.serve(event, &self.world, &mut self.tally, &mut self.scratch)
            {
                client.stage = Stage::Gone;
                self.tally.problem.get_or_insert_with(|| format!("{error:#}"));
            }
        }
        match &self.tally.problem {
            Some(problem) => bail!("a socket was lost: {problem}"),
            None => Ok(()),
        }
    }

    /// Takes what comes for so long.
    pub(super) fn turn_for(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.turn(left.min(Duration::from_millis(100)))?;
        }
        Ok(())
    }

    /// Events that a socket has got.
    pub(super) fn received(&self, number: usize) -> u64 {
        self.clients.get(number).map_or(0, |client| client.received)
    }

    /// Sends frames by a socket; what the kernel does not take now waits for it.
    pub(super) fn say(&mut self, number: usize, frames: &[u8]) -> Result<()> {
        let client = self.clients.get_mut(number).context("no such socket")?;
        client.out.extend_from_slice(frames);
        client.flush()
    }

    fn watch(&mut self, number: usize) -> Result<()> {
        let client = self.clients.get_mut(number).context("no such socket")?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut client.stream, Token(number), interest)?;
        Ok(())
    }
}

impl Client {
    fn connect(world: &World, number: usize, channel: Option<String>) -> Result<Self> {
        let socket =
            Socket::new(Domain::for_address(world.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if world.address.ip().is_loopback() && world.address.is_ipv4() {
            let last = u8::try_from(number % SOURCES).unwrap_or_default() + 2;
            let source = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0);
            socket.bind(&SocketAddr::from(source).into()).context("bind a socket")?;
        }
        match socket.connect(&world.address.into()) {
            // EINPROGRESS is no error of a kind that std knows.
            Err(error) if error.raw_os_error() != Some(115) => {
                return Err(error).context("connect");
            }
            Ok(()) | Err(_) => {}
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            stage: Stage::Connecting,
            frames: Frames::default(),
            head: Vec::new(),
            out: Vec::new(),
            channel,
            begun: Instant::now(),
            took: None,
            received: 0,
            next: vec![0; world.publishers].into(),
        })
    }

    fn serve(
        &mut self,
        event: &Event,
        world: &World,
        tally: &mut Tally,
        scratch: &mut [u8],
    ) -> Result<()> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error).context("connect");
            }
            if !event.is_writable() {
                return Ok(());
            }
            self.out.extend_from_slice(world.app.handshake(world.address).as_bytes());
            self.stage = Stage::Shaking;
        }
        if event.is_writable() && !self.out.is_empty() {
            self.flush()?;
        }
        if !event.is_readable() {
            return Ok(());
        }
        loop {
            match self.stream.read(scratch) {
                Ok(0) => bail!("closed in {:?}", self.stage),
                Ok(read) => {
                    self.take(scratch.get(..read).unwrap_or_default(), world, tally)?;
                    // Less than there was room for: there is no more, and asking costs a call.
                    if read < scratch.len() && !event.is_read_closed() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("read"),
            }
        }
    }

    fn take(&mut self, came: &[u8], world: &World, tally: &mut Tally) -> Result<()> {
        if self.stage != Stage::Shaking {
            return self.cut(came, world, tally);
        }
        self.head.extend_from_slice(came);
        let end = self.head.windows(4).position(|part| part == b"\r\n\r\n");
        let Some(end) = end else { return Ok(()) };
        let head = std::mem::take(&mut self.head);
        let first = String::from_utf8_lossy(head.get(..end).unwrap_or_default()).into_owned();
        ensure!(first.starts_with("HTTP/1.1 101"), "not opened: {first}");
        self.stage = Stage::Greeted;
        self.cut(head.get(end + 4..).unwrap_or_default(), world, tally)
    }

    fn cut(&mut self, came: &[u8], world: &World, tally: &mut Tally) -> Result<()> {
        let now = u64::try_from(world.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut frames = std::mem::take(&mut self.frames);
        let mut outcome = Ok(());
        frames.cut(came, |opcode, held| {
            if outcome.is_ok() {
                outcome = self.hear(opcode, held, now, world, tally);
            }
        });
        self.frames = frames;
        outcome
    }

    fn hear(
        &mut self,
        opcode: u8,
        held: &[u8],
        now: u64,
        world: &World,
        tally: &mut Tally,
    ) -> Result<()> {
        if opcode == frames::CLOSE {
            bail!("closed with {}", String::from_utf8_lossy(held));
        }
        if self.stage == Stage::Ready
            && let Some(letter) = Letter::read(held, &mut tally.near)
        {
            self.note(letter, now, tally);
            return Ok(());
        }
        self.obey(held, world, tally)
    }

    fn note(&mut self, letter: Letter, now: u64, tally: &mut Tally) {
        let expected = self.next.get_mut(letter.publisher);
        if expected.as_ref().is_none_or(|expected| **expected != letter.number) {
            tally.misplaced += 1;
        }
        if let Some(expected) = expected {
            *expected = letter.number.wrapping_add(1);
        }
        self.received += 1;
        tally.delivered += 1;
        tally.latencies.note(now.saturating_sub(letter.at));
    }

    /// What is of the protocol's own.
    fn obey(&mut self, held: &[u8], world: &World, tally: &mut Tally) -> Result<()> {
        match self.stage {
            Stage::Greeted => {
                let Some(socket) = socket_id(held) else { return Ok(()) };
                let Some(channel) = &self.channel else {
                    self.become_ready(tally);
                    return Ok(());
                };
                let wish = world.app.subscribe(&socket, channel);
                self.stage = Stage::Joining;
                return self.send(&wish);
            }
            Stage::Joining if holds(held, SUCCEEDED) => self.become_ready(tally),
            _ if holds(held, PING) => return self.send(PONG),
            Stage::Joining | Stage::Ready if holds(held, b"error") => {
                bail!("told {}", String::from_utf8_lossy(held));
            }
            _ => {}
        }
        Ok(())
    }

    fn become_ready(&mut self, tally: &mut Tally) {
        self.stage = Stage::Ready;
        self.took = Some(self.begun.elapsed());
        tally.ready += 1;
    }

    fn send(&mut self, text: &str) -> Result<()> {
        frames::put_text(&mut self.out, text);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let mut sent = 0;
        while let Some(rest) = self.out.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(more) => sent += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("write"),
            }
        }
        self.out.drain(..sent);
        Ok(())
    }
}

fn socket_id(held: &[u8]) -> Option<String> {
    let at = held.windows(ESTABLISHED.len()).position(|part| part == ESTABLISHED)?;
    let rest = held.get(at + ESTABLISHED.len()..)?;
    let id = rest.split(|byte| *byte == b'\\').next()?;
    Some(String::from_utf8_lossy(id).into_owned())
}

fn holds(held: &[u8], wanted: &[u8]) -> bool {
    held.windows(wanted.len()).any(|part| part == wanted)
}
