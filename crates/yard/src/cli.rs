//! The commands and which module does them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::failure::{Failure, Outcome, REFUSED, USAGE};
use crate::output::Output;
use crate::pki;
use crate::session::{self, LoginArgs, ProfileFile};

/// Operators' command line of Switchyard.
#[derive(Debug, Parser)]
#[command(name = "yard", version, propagate_version = true)]
struct Cli {
    /// Answers as JSON, one object on a line.
    #[arg(long, global = true)]
    json: bool,
    /// Where the session is kept. [default: $YARD_PROFILE, or yard/profile.toml in the
    /// configuration folder]
    #[arg(long, global = true, value_name = "FILE")]
    profile_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keys and certificates of an installation.
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Signs in and keeps the session.
    Login(LoginArgs),
    /// Ends the session.
    Logout,
    /// Says who is signed in, and where.
    Whoami,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let out = Output::new(cli.json);
    match start(cli, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version are answers, everything else is a usage error.
fn explain(error: &clap::Error) -> ExitCode {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    match (error.print(), asked) {
        (Ok(()), true) => ExitCode::SUCCESS,
        (Ok(()), false) => ExitCode::from(USAGE),
        (Err(_closed), _) => ExitCode::from(REFUSED),
    }
}

fn start(cli: Cli, out: Output) -> Outcome {
    // One provider for HTTPS and MQTT; it can only be there already when this runs in a test.
    let _already_there = rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .err();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("could not start: {error}")))?;
    runtime.block_on(dispatch(cli, out))
}

async fn dispatch(cli: Cli, out: Output) -> Outcome {
    let profile = || ProfileFile::locate(cli.profile_file.clone());
    match &cli.command {
        Command::Pki(command) => pki::run(command, out),
        Command::Login(args) => session::login(args, &profile()?, out).await,
        Command::Logout => session::logout(&profile()?, out).await,
        Command::Whoami => session::whoami(&profile()?, out).await,
    }
}
