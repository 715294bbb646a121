//! A TCP proxy whose line can be cut, restored and slowed, for tests of broken networks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Doing, Result, best_effort};
use crate::ports::PortLease;

/// Forwards a loopback port to `upstream` until it is dropped.
#[derive(Debug)]
pub struct ChaosProxy {
    lease: PortLease,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    upstream: SocketAddr,
    cut: AtomicBool,
    closed: AtomicBool,
    delay_ms: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl ChaosProxy {
    /// Listens on a free loopback port and forwards to `upstream`.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let lease = PortLease::any()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, lease.port()))
            .doing(|| format!("listen on {}", lease.addr()))?;
        let line = Arc::new(Line {
            upstream,
            cut: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&line);
        thread::Builder::new()
            .name("chaos-proxy".into())
            .spawn(move || accepting.accept(&listener))
            .doing(|| "start the proxy's thread".into())?;
        Ok(Self { lease, line })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.lease.addr()
    }

    /// Breaks every open connection and refuses new ones.
    pub fn cut(&self) {
        self.line.cut.store(true, Ordering::SeqCst);
        self.line.drop_open();
    }

    /// Lets new connections through again.
    pub fn restore(&self) {
        self.line.cut.store(false, Ordering::SeqCst);
    }

    /// Holds every chunk in each direction for `delay` before passing it on.
    pub fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.line.delay_ms.store(millis, Ordering::SeqCst);
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.line.closed.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the accepting thread so that it sees that it is closed.
        best_effort(TcpStream::connect_timeout(&self.addr(), Duration::from_millis(200)));
    }
}

impl Line {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            if self.cut.load(Ordering::SeqCst) {
                best_effort(client.shutdown(Shutdown::Both));
                continue;
            }
            let line = Arc::clone(&self);
            best_effort(thread::Builder::new().name("chaos-link".into()).spawn(move || {
                best_effort(line.link(client));
            }));
        }
    }

    fn link(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(self.upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push(client.try_clone()?);
            open.push(server.try_clone()?);
        }
        // The line may have been cut between the accept and this registration.
        if self.cut.load(Ordering::SeqCst) {
            self.drop_open();
        }
        let (line, from, to) = (Arc::clone(self), server.try_clone()?, client.try_clone()?);
        let back = thread::Builder::new()
            .name("chaos-link-back".into())
            .spawn(move || line.pump(from, to))?;
        self.pump(client, server);
        best_effort(back.join());
        Ok(())
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut chunk = vec![0_u8; 16 * 1024];
        while let Ok(read) = from.read(&mut chunk) {
            let delay = self.delay_ms.load(Ordering::SeqCst);
            if delay > 0 {
                thread::sleep(Duration::from_millis(delay));
            }
            let data = chunk.get(..read).unwrap_or_default();
            if data.is_empty() || to.write_all(data).is_err() {
                break;
            }
        }
        best_effort(from.shutdown(Shutdown::Both));
        best_effort(to.shutdown(Shutdown::Both));
    }

    fn drop_open(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            best_effort(stream.shutdown(Shutdown::Both));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo_server() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (mut from, mut to) = (stream.try_clone().unwrap(), stream);
                    best_effort(std::io::copy(&mut from, &mut to));
                });
            }
        });
        addr
    }

    fn ask(stream: &mut TcpStream) -> std::io::Result<[u8; 4]> {
        let mut answer = [0_u8; 4];
        stream.write_all(b"ping")?;
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn a_cut_breaks_open_and_new_connections_until_restored() {
        let proxy = ChaosProxy::start(echo_server()).unwrap();
        let mut open = TcpStream::connect(proxy.addr()).unwrap();
        assert_eq!(&ask(&mut open).unwrap(), b"ping");

        proxy.cut();
        assert!(ask(&mut open).is_err());
        let mut refused = TcpStream::connect(proxy.addr()).unwrap();
        assert!(ask(&mut refused).is_err());

        proxy.restore();
        let mut again = TcpStream::connect(proxy.addr()).unwrap();
        assert_eq!(&ask(&mut again).unwrap(), b"ping");
    }

    #[test]
    fn a_delay_is_felt_in_each_direction() {
        let proxy = ChaosProxy::start(echo_server()).unwrap();
        let mut open = TcpStream::connect(proxy.addr()).unwrap();
        proxy.delay(Duration::from_millis(60));
        let begun = std::time::Instant::now();
        assert_eq!(&ask(&mut open).unwrap(), b"ping");
        assert!(begun.elapsed() >= Duration::from_millis(120));
    }
}
