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

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Keys and certificates of the installation.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Makes the device CA, the broker's and the services' keys, and the trust file.
    Init(InitArgs),
    /// Makes the CA that will take over from the device CA, and the bundle of both.
    NextCa {
        /// Folder of `yard pki init`; device-ca-next.pem, its key, an empty revocation list
        /// device-crl-next.pem and device-ca-bundle.pem are added to it.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Makes the servers' certificates anew, signed by the CA of your choice.
    Servers(ServersArgs),
}

/// Arguments of `yard pki servers`.
#[derive(Debug, Args)]
pub struct ServersArgs {
    /// Folder for broker, est and mqtt-device-ingest, `.pem` and `.key`; it must not hold them yet.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// The CA's certificate, PEM.
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_key: PathBuf,
    /// Host name under which devices reach the broker.
    #[arg(long, value_name = "HOST")]
    pub broker_host: String,
    /// Host name under which devices reach auth's EST listener. [default: the broker's]
    #[arg(long, value_name = "HOST")]
    pub est_host: Option<String>,
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
    match command {
        PkiCommand::Init(args) => init(args, out),
        PkiCommand::NextCa { dir } => {
            let current = read(&dir.join("device-ca.pem"))?;
            tell(dir, &next_ca(&current, &SystemClock)?, false, out)
        }
        PkiCommand::Servers(args) => {
            let authority =
                Authority::read(&read(&args.ca)?, &read(&args.ca_key)?, SystemClock.now())?;
            let est = args.est_host.as_deref().unwrap_or(&args.broker_host);
            let mut files = KeyFiles::default();
            authority.add_leaves(&Hosts { broker: &args.broker_host, est }, &mut files)?;
            tell(&args.dir, &files, false, out)
        }
    }
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(Failure::file(path))
}

/// The next device CA, and both in one file. `current` is the certificate of the one in force.
pub fn next_ca(current: &str, clock: &dyn Clock) -> Outcome<KeyFiles> {
    let mut files = KeyFiles::default();
    let authority = Authority::create(clock.now())?;
    authority.add_itself("device-ca-next", &mut files);
    // A broker takes no certificate of a CA that it has no list of.
    files.add("device-crl-next.pem", authority.empty_crl()?);
    let next = files.get("device-ca-next.pem").unwrap_or_default();
    let bundle = format!("{}\n{next}", current.trim_end());
    files.add("device-ca-bundle.pem", bundle);
    Ok(files)
}

fn init(args: &InitArgs, out: Output) -> Outcome {
    let est = args.est_host.as_deref().unwrap_or(&args.broker_host);
    let files = generate_for(&Hosts { broker: &args.broker_host, est }, &SystemClock)?;
    tell(&args.dir, &files, args.force, out)
}

fn tell(dir: &Path, files: &KeyFiles, force: bool, out: Output) -> Outcome {
    files.write(dir, force)?;
    let made = Made { dir, files: files.names() };
    out.answer(&made, |out| {
        out.line(&format!("made {} files in {}", made.files.len(), dir.display()));
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
