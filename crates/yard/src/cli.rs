//! The commands and which module does them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::api::Api;
use crate::audit;
use crate::broker::{self, BrokerAgentArgs};
use crate::commands::{self, SendArgs, TailArgs};
use crate::devices::{self, ContractsCommand, DevicesCommand, ListArgs};
use crate::enrollment::{self, EnrollArgs};
use crate::factories::{self, FactoriesCommand};
use crate::failure::{Failure, Outcome, REFUSED, USAGE};
use crate::federation::{self, ClientsCommand, ProvidersCommand};
use crate::keys::{self, KeysCommand};
use crate::operations::{self, BansCommand, MaintenanceCommand};
use crate::output::Output;
use crate::people::{self, InvitationsCommand, OrganizationsCommand, PeopleCommand};
use crate::pki;
use crate::radius::{self, RadiusCommand};
use crate::realtime::{self, RealtimeCommand};
use crate::rights::{self, BreakGlassCommand, RightsCommand, RolesCommand};
use crate::session::list::{self, SessionsCommand};
use crate::session::{self, LoginArgs, ProfileFile};
use crate::simulate::{self, SimulateArgs};
use crate::tenants::{self, TenantsCommand};
use crate::tokens::{self, TokensCommand};
use crate::verify::{self, VerifyArgs};

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
    /// Who did what: search, export, and check an export without asking anyone.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Signs in and keeps the session.
    Login(LoginArgs),
    /// Ends the session.
    Logout,
    /// Says who is signed in, and where.
    Whoami,
    /// Registered devices.
    Devices {
        #[command(subcommand)]
        command: Option<DevicesCommand>,
    },
    /// Manufacturers whose devices enrol by themselves.
    Factories {
        #[command(subcommand)]
        command: Option<FactoriesCommand>,
    },
    /// What kinds of device say and accept.
    Contracts {
        #[command(subcommand)]
        command: Option<ContractsCommand>,
    },
    /// Makes a device's key here and has its certificate signed.
    Enroll(EnrollArgs),
    /// Sends a command to a device.
    Send(SendArgs),
    /// Shows a device's events as they happen.
    Tail(TailArgs),
    /// Runs a fleet of simulated devices.
    Simulate(SimulateArgs),
    /// Keeps the broker's revocation list fresh; runs beside it.
    BrokerAgent(BrokerAgentArgs),
    /// Who is kept out at the gateways. For operators of the platform.
    Bans {
        #[command(subcommand)]
        command: Option<BansCommand>,
    },
    /// Turns everybody but operators away, and lets them in again.
    Maintenance {
        #[command(subcommand)]
        command: Option<MaintenanceCommand>,
    },
    /// Where the platform thinks this call comes from: whether its list of proxies is right.
    Origin,
    /// Keys that sign people's access tokens; for system administrators.
    Keys {
        #[command(subcommand)]
        command: Option<KeysCommand>,
    },
    /// OAuth clients of your tenant.
    OauthClients {
        #[command(subcommand)]
        command: Option<ClientsCommand>,
    },
    /// Identity providers of your tenant: who else says, by OpenID Connect, who its people are.
    IdentityProviders {
        #[command(subcommand)]
        command: Option<ProvidersCommand>,
    },
    /// Realtime apps of your tenant.
    RealtimeApps {
        #[command(subcommand)]
        command: Option<RealtimeCommand>,
    },
    /// Access to networks by RADIUS: NAS and subscribers of your tenant, and the server in front of auth.
    #[command(subcommand)]
    Radius(RadiusCommand),
    /// The export of a tenant: take it, and check one without asking anyone.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Where you are signed in.
    Sessions {
        #[command(subcommand)]
        command: Option<SessionsCommand>,
    },
    /// Your API tokens.
    Tokens {
        #[command(subcommand)]
        command: Option<TokensCommand>,
    },
    /// Members of your tenant.
    People {
        #[command(subcommand)]
        command: Option<PeopleCommand>,
    },
    /// Invitations into your tenant.
    Invitations {
        #[command(subcommand)]
        command: Option<InvitationsCommand>,
    },
    /// Tenants that you are in, and the way from one to another.
    Organizations {
        #[command(subcommand)]
        command: Option<OrganizationsCommand>,
    },
    /// Roles of your tenant.
    Roles {
        #[command(subcommand)]
        command: Option<RolesCommand>,
    },
    /// What people may do, and why.
    #[command(subcommand)]
    Rights(RightsCommand),
    /// System administrators in tenants, for a limited time.
    BreakGlass {
        #[command(subcommand)]
        command: Option<BreakGlassCommand>,
    },
    /// Checks that what a simulation was told is safe is stored, once.
    Verify(VerifyArgs),
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
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    match (error.print(), asked) {
        (Ok(()), true) => ExitCode::SUCCESS,
        (Ok(()), false) => ExitCode::from(USAGE),
        (Err(_closed), _) => ExitCode::from(REFUSED),
    }
}

fn start(cli: Cli, out: Output) -> Outcome {
    // One provider for HTTPS and MQTT; it can only be there already when this runs in a test.
    let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default().err();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Only name look-ups block; a fleet need not have a thread for each.
        .max_blocking_threads(8)
        .build()
        .map_err(|error| Failure::other(format!("could not start: {error}")))?;
    runtime.block_on(dispatch(cli, out))
}

async fn dispatch(cli: Cli, out: Output) -> Outcome {
    let profile = || ProfileFile::locate(cli.profile_file.clone());
    let api = || profile()?.api();
    match cli.command {
        Command::Pki(command) => pki::run(&command, out),
        Command::Audit(audit::AuditCommand::Verify(args)) => audit::verify(&args, out),
        Command::Audit(command) => audit::run(&command, &api()?, out).await,
        Command::Login(args) => session::login(&args, &profile()?, out).await,
        Command::Logout => session::logout(&profile()?, out).await,
        Command::Whoami => session::whoami(&profile()?, out).await,
        Command::Devices { command } => {
            let command = command.unwrap_or_else(|| DevicesCommand::List(ListArgs::default()));
            let api = match command.elsewhere() {
                Some(url) => Api::anonymous(url)?,
                None => api()?,
            };
            devices::run(&command, &api, out).await
        }
        Command::Factories { command } => {
            factories::run(&command.unwrap_or(FactoriesCommand::List), &api()?, out).await
        }
        Command::Contracts { command } => {
            let command = command.unwrap_or(ContractsCommand::List);
            devices::run_contracts(&command, &api()?, out).await
        }
        Command::Enroll(args) => enrollment::run(&args, &profile()?, out).await,
        Command::Send(args) => commands::send(&args, &api()?, out).await,
        Command::Tail(args) => commands::tail(&args, &api()?, out).await,
        Command::Simulate(args) => simulate::run(&args, &api()?, out).await,
        Command::BrokerAgent(args) => broker::run(args, out).await,
        Command::Bans { command } => {
            let command = command.unwrap_or(BansCommand::List { ended: false });
            operations::run_bans(&command, &api()?, out).await
        }
        Command::Maintenance { command } => {
            let command = command.unwrap_or(MaintenanceCommand::Status);
            operations::run_maintenance(&command, &api()?, out).await
        }
        Command::Origin => operations::run_origin(&api()?, out).await,
        Command::Keys { command } => {
            keys::run(&command.unwrap_or(KeysCommand::List), &api()?, out).await
        }
        Command::OauthClients { command } => {
            federation::run_clients(&command.unwrap_or(ClientsCommand::List), &api()?, out).await
        }
        Command::IdentityProviders { command } => {
            let command = command.unwrap_or(ProvidersCommand::List);
            federation::run_providers(&command, &api()?, out).await
        }
        Command::RealtimeApps { command } => {
            realtime::run(&command.unwrap_or(RealtimeCommand::List), &api()?, out).await
        }
        Command::Radius(command) => radius::run(command, api, out).await,
        Command::Tenants(TenantsCommand::Verify(args)) => tenants::verify(&args, out),
        Command::Tenants(command) => tenants::run(&command, &api()?, out).await,
        Command::Sessions { command } => {
            list::run(&command.unwrap_or(SessionsCommand::List), &api()?, out).await
        }
        Command::Tokens { command } => {
            tokens::run(&command.unwrap_or(TokensCommand::List), &api()?, out).await
        }
        Command::People { command } => {
            people::run_people(&command.unwrap_or(PeopleCommand::List), &api()?, out).await
        }
        Command::Invitations { command } => {
            let command = command.unwrap_or(InvitationsCommand::List);
            people::run_invitations(&command, &api()?, out).await
        }
        Command::Organizations { command } => {
            let command = command.unwrap_or(OrganizationsCommand::List);
            people::run_organizations(&command, &profile()?, out).await
        }
        Command::Roles { command } => {
            rights::run_roles(&command.unwrap_or(RolesCommand::List), &api()?, out).await
        }
        Command::Rights(command) => rights::run_rights(&command, &api()?, out).await,
        Command::BreakGlass { command } => {
            let command = command.unwrap_or(BreakGlassCommand::List { all: false });
            rights::run_break_glass(&command, &api()?, out).await
        }
        Command::Verify(args) => verify::run(&args, &api()?, out).await,
    }
}
