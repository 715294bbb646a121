//! Publishes by the HTTP API, one call after the other on a connection that stays open.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use yard_ids::{Clock as _, SystemClock};

use super::letter::Letter;
use super::target::App;

/// An answer that takes longer ends the run.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who may not publish yet looks again after so long.
const LOOK: Duration = Duration::from_micros(100);

/// What publishers and sockets tell each other.
pub(super) struct Flow {
    pub(super) stop: AtomicBool,
    /// Messages that were answered or are under way.
    pub(super) published: AtomicU64,
    /// Events that all sockets have got.
    pub(super) delivered: AtomicU64,
    pub(super) subscribers: u64,
    /// Messages that may be on their way: less than the server lets wait for one socket.
    pub(super) window: u64,
}

/// One who publishes.
pub(super) struct Publisher<'r> {
    pub(super) app: &'r App,
    pub(super) address: SocketAddr,
    pub(super) channel: &'r str,
    pub(super) number: usize,
    /// It and the others.
    pub(super) publishers: usize,
    /// Of the data.
    pub(super) bytes: usize,
    pub(super) begun: Instant,
    /// Time between two messages; none for as fast as the window and the answers let it.
    pub(super) pace: Option<Duration>,
}

impl Publisher<'_> {
    /// Publishes until it is told to stop; gives how long each call took.
    pub(super) fn run(&self, flow: &Flow) -> Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Publishers take turns.
        let share = self.number as f64 / self.publishers.max(1) as f64;
        let first = self.pace.map_or(Duration::ZERO, |pace| pace.mul_f64(share));
        let (mut took, mut next) = (Vec::new(), Instant::now() + first);
        for number in 0..u32::MAX {
            match self.pace {
                Some(pace) => {
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                    next += pace;
                }
                None => flow.wait(),
            }
            if flow.stop.load(Ordering::Relaxed) {
                break;
            }
            flow.published.fetch_add(1, Ordering::Relaxed);
            let said = Instant::now();
            let at = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.call(&mut stream, Letter { publisher: self.number, number, at })?;
            took.push(said.elapsed());
        }
        Ok(took)
    }

    fn call(&self, stream: &mut TcpStream, letter: Letter) -> Result<()> {
        let (channel, data) = (self.channel, letter.write(self.bytes));
        let body = format!(r#"{{"name":"bench","channel":"{channel}","data":"{data}"}}"#);
        let now = SystemClock.now().unix_timestamp();
        stream.write_all(self.app.publish(self.address, &body, now).as_bytes())?;
        let answer = answer(stream)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "a call was answered {answer}");
        Ok(())
    }
}

impl Flow {
    fn wait(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let published = self.published.load(Ordering::Relaxed);
            let owed = (published * self.subscribers)
                .saturating_sub(self.delivered.load(Ordering::Relaxed));
            if owed < self.window * self.subscribers {
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

/// One answer with its body.
fn answer(stream: &mut TcpStream) -> Result<String> {
    let (mut got, mut chunk) = (Vec::new(), [0; 1_024]);
    loop {
        let read = stream.read(&mut chunk).context("wait for an answer")?;
        ensure!(read > 0, "the connection was closed before an answer");
        got.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&got);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= length(head)
        {
            return Ok(text.into_owned());
        }
    }
}

fn length(head: &str) -> usize {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    found.and_then(|(_, length)| length.trim().parse().ok()).unwrap_or(0)
}
