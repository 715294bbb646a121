use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use yard_ids::{Clock as _, SystemClock};

use super::list::{Authority, CheckedList, ListError};
use super::source::{Reader, Source};
use crate::failure::{Failure, Outcome};

/// Each SIGHUP makes the broker read all its files again, so a burst of revocations makes one.
const BETWEEN_SIGNALS: Duration = Duration::from_secs(2);
const PUBLIC: u32 = 0o644;
const BROKER: &str = "mosquitto";

/// How the broker is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerProcess {
    /// Its `pid_file`, read before each signal: the broker may be started again.
    PidFile(PathBuf),
    /// Its process id.
    Pid(u32),
}

/// What an agent is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where lists come from.
    pub source: Source,
    /// Who has to have signed them.
    pub authority: Authority,
    /// Where the broker reads its list.
    pub list_file: PathBuf,
    /// Whom to tell.
    pub broker: BrokerProcess,
}

/// What one look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing new.
    Unchanged,
    /// Something new, kept for the next look: the broker was told a moment ago.
    TooSoon,
    /// The broker has been given this list.
    Placed {
        /// Its number.
        number: u64,
        /// Revoked certificates in it.
        entries: usize,
    },
}

/// Gives one broker its revocation lists.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    reader: Reader,
    placed: Option<u64>,
    /// A list is in its place, and the broker has not been told.
    untold: Option<CheckedList>,
    signalled: Option<Instant>,
}

impl Agent {
    /// An agent that has not looked yet. It takes the list that the broker has as given, so that a
    /// start never goes back to an older one.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: Settings) -> Outcome<Self> {
        let reader = Reader::new(settings.source.clone())?;
        let now = SystemClock.now();
        let current = fs::read(&settings.list_file).unwrap_or_default();
        let placed = settings.authority.check(&current, now).ok().map(|list| list.number);
        Ok(Self { settings, reader, placed, untold: None, signalled: None })
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the source cannot be read, its list is not acceptable, or the broker cannot be given
    /// it. All of it is tried again by the next look, and the broker keeps what it has.
    pub async fn step(&mut self) -> Outcome<Step> {
        if self.signalled.is_some_and(|at| at.elapsed() < BETWEEN_SIGNALS) {
            return Ok(Step::TooSoon);
        }
        if let Some(content) = self.reader.read().await? {
            let list = self.acceptable(&content)?;
            if self.placed != Some(list.number) || self.differs(&list) {
                place(&self.settings.list_file, &list.file)?;
                self.placed = Some(list.number);
                self.untold = Some(list);
            }
            self.reader.settled(content);
        }
        let Some(list) = &self.untold else {
            return Ok(Step::Unchanged);
        };
        let step = Step::Placed { number: list.number, entries: list.entries };
        hang_up(&self.settings.broker)?;
        self.untold = None;
        self.signalled = Some(Instant::now());
        Ok(step)
    }

    fn acceptable(&self, content: &[u8]) -> Outcome<CheckedList> {
        let refused = |error: ListError| Failure::other(error.to_string());
        let list = self.settings.authority.check(content, SystemClock.now()).map_err(refused)?;
        match self.placed {
            Some(current) if list.number < current => {
                Err(refused(ListError::Older { offered: list.number, current }))
            }
            _ => Ok(list),
        }
    }

    /// Whether the broker's file holds anything else: `yard pki init` made it, or the agent has been
    /// told of another CA since, whose list of the same number was left out.
    fn differs(&self, list: &CheckedList) -> bool {
        fs::read(&self.settings.list_file).map_or(true, |file| file != list.file)
    }
}

/// Replaces the file as a whole, readable for the broker's account.
fn place(path: &Path, content: &[u8]) -> Outcome {
    let mut draft = path.file_name().unwrap_or_default().to_owned();
    draft.push(".new");
    let draft = path.with_file_name(draft);
    let failed = Failure::file(path);
    let write = || {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(PUBLIC)
            .open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        // A folder's owner other than us is the broker's account, and we are root.
        let folder = path.parent().map(fs::metadata).transpose()?;
        if let Some(owner) =
            folder.filter(|folder| folder.uid() != file.metadata().map_or(0, |f| f.uid()))
        {
            std::os::unix::fs::chown(&draft, Some(owner.uid()), Some(owner.gid()))?;
        }
        fs::rename(&draft, path)
    };
    write().map_err(failed)
}

fn hang_up(broker: &BrokerProcess) -> Outcome {
    let number = match broker {
        BrokerProcess::Pid(number) => *number,
        BrokerProcess::PidFile(path) => {
            let text = fs::read_to_string(path).map_err(Failure::file(path))?;
            let wrong = |_| Failure::other(format!("{} holds no process id", path.display()));
            text.trim().parse().map_err(wrong)?
        }
    };
    let gone = || Failure::other(format!("no broker runs as process {number}"));
    // A pid file may be older than its process: nobody else shall get our signal.
    let name = fs::read_to_string(format!("/proc/{number}/comm")).map_err(|_gone| gone())?;
    if name.trim() != BROKER {
        return Err(gone());
    }
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    kill_process(pid, Signal::HUP)
        .map_err(|error| Failure::other(format!("the broker cannot be told: {error}")))
}

#[cfg(test)]
mod tests;
