//! `yard pki init`: every key and certificate that a new installation starts with.
//!
//! One folder, to be shared out by hand or by a secrets store: each service gets its own key file
//! and the trust file, the broker its certificate and the revocation list, auth the device CA.

mod authority;
mod files;
mod identities;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use yard_ids::{Clock, SystemClock};

use authority::{Authority, Hosts};
pub use files::{KeyFiles, write_private};

use crate::failure::Outcome;
use crate::output::Output;

/// Keys and certificates of the installation.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Makes the device CA, the broker's and the services' keys, and the trust file.
    Init(InitArgs),
}

/// Arguments of `yard pki init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder for the files; made when missing.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Host name under which devices reach the broker; stands in its certificate.
    #[arg(long, value_name = "HOST")]
    pub broker_host: String,
    /// Host name under which devices reach auth's EST listener. [default: the broker's]
    #[arg(long, value_name = "HOST")]
    pub est_host: Option<String>,
    /// Replaces files that are there. Every enrolled device then has to enrol again.
    #[arg(long)]
    pub force: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    dir: &'a Path,
    files: Vec<String>,
}

/// Runs a command of this family.
pub fn run(command: &PkiCommand, out: Output) -> Outcome {
    let PkiCommand::Init(args) = command;
    let est = args.est_host.as_deref().unwrap_or(&args.broker_host);
    let files = generate_for(&Hosts { broker: &args.broker_host, est }, &SystemClock)?;
    files.write(&args.dir, args.force)?;
    let made = Made { dir: &args.dir, files: files.names() };
    out.answer(&made, |out| {
        out.line(&format!("made {} files in {}", made.files.len(), args.dir.display()));
        out.line("keep *.key where only their owner can read them; device-ca.key belongs to auth");
    });
    Ok(())
}

/// Makes everything in memory, so that a failure leaves no half of it on disk. Broker and EST
/// listener are reached under the same name.
pub fn generate(host: &str, clock: &dyn Clock) -> Outcome<KeyFiles> {
    generate_for(&Hosts { broker: host, est: host }, clock)
}

fn generate_for(hosts: &Hosts<'_>, clock: &dyn Clock) -> Outcome<KeyFiles> {
    let mut files = KeyFiles::default();
    let authority = Authority::create(clock.now())?;
    authority.add_files(hosts, &mut files)?;
    identities::add_files(&mut files)?;
    Ok(files)
}

#[cfg(test)]
mod tests;
