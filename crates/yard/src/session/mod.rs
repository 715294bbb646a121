//! `yard login`, `logout`, `whoami`.

mod profile;

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

pub use profile::{Profile, ProfileFile};

use crate::api::{Api, LoginAnswer, Me};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};

/// Arguments of `yard login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Where the platform is, for example `http://127.0.0.1:8070`.
    #[arg(long)]
    pub url: String,
    /// Who signs in.
    #[arg(long)]
    pub email: String,
    /// Slug of the tenant; needed by people who belong to several.
    #[arg(long)]
    pub tenant: Option<String>,
    /// File with the password, or `-` for standard input. One line end after it is ignored.
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,
}

/// Signs in and keeps the session's token.
pub async fn login(args: &LoginArgs, file: &ProfileFile, out: Output) -> Outcome {
    let api = Api::anonymous(&args.url)?;
    let body = json!({
        "email": args.email,
        "password": password(&args.password_file)?,
        "tenant": args.tenant.as_deref().unwrap_or_default(),
        "delivery": "SESSION_DELIVERY_TOKEN",
    });
    let answer: LoginAnswer = api.post("/api/v1/sessions", &body).await?;
    file.write(&Profile { url: api.base().to_owned(), session_token: answer.session_token })?;
    let me = answer.me;
    out.answer(&me, |out| {
        out.line(&format!("signed in to {} as {} ({})", place(&me), me.email, me.role));
    });
    Ok(())
}

/// Ends the session and forgets its token.
pub async fn logout(file: &ProfileFile, out: Output) -> Outcome {
    let ended = file.api()?.delete("/api/v1/sessions/current").await;
    // A session that is gone already is what was wanted.
    match ended {
        Err(Failure::Refused(problem)) if problem.status == 401 => {}
        other => other?,
    }
    file.remove()?;
    out.answer(&json!({ "signed_out": true }), |out| out.line("signed out"));
    Ok(())
}

/// Says who is signed in.
pub async fn whoami(file: &ProfileFile, out: Output) -> Outcome {
    let api = file.api()?;
    let me = api.me().await?;
    out.answer(&me, |out| {
        let facts = [
            ("person", format!("{} <{}>", me.display_name, me.email)),
            ("tenant", format!("{} {}", place(&me), me.tenant_id)),
            ("role", me.role.clone()),
            ("may", me.permissions.join(" ")),
            ("at", api.base().to_owned()),
        ];
        for line in Table::facts(&facts).lines() {
            out.line(&line);
        }
    });
    Ok(())
}

fn place(me: &Me) -> &str {
    match (me.tenant_name.as_str(), me.tenant_slug.as_str()) {
        ("", "") => "the platform",
        ("", slug) => slug,
        (name, _) => name,
    }
}

fn password(file: &std::path::Path) -> Outcome<String> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(Failure::file(file))?;
    } else {
        text = std::fs::read_to_string(file).map_err(Failure::file(file))?;
    }
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |t| t.trim_end_matches('\r')).to_owned())
}
