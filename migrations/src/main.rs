//! `yard-migrate`: applies migrations, makes the first tenants and people.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_migrations::{
    NewTenant, Rollout, bootstrap, create_tenant, migrate, set_role_passwords, status,
};

#[derive(Parser)]
#[command(about = "Applies Switchyard's migrations under the owner's rights")]
struct Arguments {
    /// A file that holds `postgres://owner:password@host:port/database`.
    #[arg(long)]
    url_file: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Brings the shared schemas and all tenants' schemas up to date.
    Up {
        /// Tenants' schemas at the same time.
        #[arg(long, default_value = "4")]
        workers: NonZeroUsize,
    },
    /// Shows how far each tenant's schema is: one line each, those behind first.
    Status,
    /// Gives the services' roles the password in a file.
    SetRolePasswords {
        /// 16 or more ASCII letters and digits.
        #[arg(long)]
        password_file: PathBuf,
    },
    /// Makes one tenant.
    CreateTenant {
        #[arg(long)]
        slug: String,
        #[arg(long)]
        name: String,
    },
    /// Makes the tenants and people of a TOML file; what exists stays as it is.
    Bootstrap {
        #[arg(long)]
        file: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    // The owner's connection may use TLS, which needs the process's one crypto provider.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(run(Arguments::parse()))
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let url = read(&arguments.url_file)?;
    match arguments.action {
        Action::Up { workers } => {
            let report = migrate(&url, Rollout { workers }).await?;
            let (tenants, migrated) = (report.tenants, report.migrated);
            say(&format!("{tenants} tenants, {migrated} of them migrated now"))?;
        }
        Action::Status => show_status(&url).await?,
        Action::SetRolePasswords { password_file } => {
            set_role_passwords(&url, &read(&password_file)?).await?;
        }
        Action::CreateTenant { slug, name } => {
            let id = TenantId::from_uuid(RandomIds.uuid7());
            create_tenant(&url, &NewTenant { id, slug, name }).await?;
        }
        Action::Bootstrap { file } => {
            let text = read(&file)?;
            let file = toml::from_str(&text).with_context(|| file.display().to_string())?;
            bootstrap::apply(&url, &file, &RandomIds).await?;
        }
    }
    Ok(())
}

async fn show_status(url: &str) -> anyhow::Result<()> {
    let (newest, mut tenants) = status(url).await?;
    tenants.sort_by_key(|tenant| tenant.version);
    let behind = tenants.iter().filter(|tenant| tenant.version < newest).count();
    say(&format!("newest {newest}; {behind} of {} tenants behind", tenants.len()))?;
    for tenant in tenants {
        let state = if tenant.version < newest { "behind" } else { "current" };
        let (slug, version, took) = (tenant.slug, tenant.version, tenant.took_ms);
        say(&format!("{state}\t{version}\t{took} ms\t{slug}\t{}", tenant.error))?;
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

fn read(path: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.trim_end().to_owned())
}
