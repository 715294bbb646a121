//! The RADIUS server in front of auth. Nobody is asked: it runs where `yard` may have no session.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::json;
use yard_radius::RadiusServer;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::pki::write_private;

/// Arguments of `yard radius token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The file to write; it must not be there yet.
    pub file: PathBuf,
}

/// Arguments of `yard radius configure`.
#[derive(Debug, Args)]
pub struct ConfigureArgs {
    /// Folder for the files, which is made when missing; they are written anew when they are there.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// File of `yard radius token`, auth's `radius.token_file`.
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// auth's listener, `radius.listen`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:1880")]
    pub auth: String,
    /// Network that NAS may ask from; may be given again. Nobody else is even looked up.
    #[arg(long = "network", value_name = "CIDR", required = true)]
    pub networks: Vec<String>,
    /// Where NAS ask.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub listen: IpAddr,
    /// The UDP port that they ask at.
    #[arg(long, default_value_t = 1_812)]
    pub port: u16,
    /// The UDP port on 127.0.0.1 at which the server says how it is.
    #[arg(long, default_value_t = 1_899)]
    pub status_port: u16,
    /// Your private enterprise number (IANA): NAS are told the tenant by its attribute 1.
    #[arg(long, value_name = "NUMBER")]
    pub vendor: Option<u32>,
    /// FreeRADIUS' modules.
    #[arg(long, value_name = "DIR", default_value = "/usr/lib/freeradius")]
    pub modules: PathBuf,
}

pub(super) fn token(args: &TokenArgs, out: Output) -> Outcome {
    if args.file.exists() {
        return Err(Failure::other(format!("{} is there already", args.file.display())));
    }
    write_private(&args.file, &format!("{}\n", random()?))?;
    let file = args.file.display().to_string();
    out.answer(&json!({"file": file}), |out| {
        out.line(&format!("made {file}: give it to auth as radius.token_file"));
    });
    Ok(())
}

pub(super) fn configure(args: &ConfigureArgs, out: Output) -> Outcome {
    let token =
        std::fs::read_to_string(&args.token_file).map_err(Failure::file(&args.token_file))?;
    std::fs::create_dir_all(&args.dir).map_err(Failure::file(&args.dir))?;
    let dir = args.dir.canonicalize().map_err(Failure::file(&args.dir))?;
    let server = RadiusServer {
        folder: text(&dir)?,
        modules: text(&args.modules)?,
        auth_url: args.auth.trim_end_matches('/').to_owned(),
        token: token.trim().to_owned(),
        listen: args.listen,
        port: args.port,
        networks: args.networks.clone(),
        client_lifetime: 60,
        reject_delay: 1,
        status_port: args.status_port,
        status_secret: random()?,
        vendor: args.vendor,
    };
    let files = server.files().map_err(|wrong| Failure::Usage(wrong.to_string()))?;
    for (name, content) in &files {
        write_private(&dir.join(name), content)?;
    }
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    out.answer(&json!({"dir": text(&dir)?, "files": names}), |out| {
        let dir = dir.display();
        out.line(&format!("made {} files in {dir}, for the server's account alone", names.len()));
        out.line(&format!("check: freeradius -C -d {dir} -n radiusd"));
        out.line(&format!("run:   freeradius -f -d {dir} -n radiusd -l stdout"));
    });
    Ok(())
}

fn text(path: &Path) -> Outcome<String> {
    let named = || Failure::Usage(format!("{}: the name is no text", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(named)
}

fn random() -> Outcome<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_e| Failure::other("the system gives no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
