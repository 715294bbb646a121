//! One thread that starts every child.
//!
//! The parent-death signal fires when the *thread* that started the child ends. Test runners end
//! threads all the time, so children are started from a thread that lives as long as the process.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

struct Request {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

static QUEUE: OnceLock<Sender<Request>> = OnceLock::new();

pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, wait) = mpsc::channel();
    let gone = || io::Error::other("the spawner thread has ended");
    let request = Request { command, answer };
    QUEUE.get_or_init(start).send(request).map_err(|_returned| gone())?;
    wait.recv().map_err(|_closed| gone())?
}

fn start() -> Sender<Request> {
    let (queue, requests) = mpsc::channel::<Request>();
    thread::Builder::new()
        .name("yard-spawner".into())
        .spawn(move || {
            for mut request in requests {
                let child = request.command.spawn();
                crate::error::best_effort(request.answer.send(child));
            }
        })
        .expect("a process that cannot have two threads cannot run servers either");
    queue
}
