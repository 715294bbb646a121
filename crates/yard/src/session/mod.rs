//! `yard login`, `logout`, `whoami`, `sessions`.

pub mod list;
mod profile;

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

pub use profile::{Profile, ProfileFile};

use crate::api::{Api, Challenge, LoginAnswer, Me};
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
    /// Code of the authenticator app, or a recovery code. Without it the command asks when a second
    /// factor is needed.
    #[arg(long)]
    pub code: Option<String>,
}

/// Signs in and keeps the session's token.
pub async fn login(args: &LoginArgs, file: &ProfileFile, out: Output) -> Outcome {
    let api = Api::anonymous(&args.url)?;
    let body = json!({
        "email": args.email,
        "password": read_secret(&args.password_file)?,
        "tenant": args.tenant.as_deref().unwrap_or_default(),
        "delivery": "SESSION_DELIVERY_TOKEN",
    });
    let mut answer: LoginAnswer = api.post("/api/v1/sessions", &body).await?;
    if let Some(challenge) = answer.challenge.take() {
        let code = match &args.code {
            Some(code) => code.clone(),
            None => ask_code(&challenge, &args.password_file, out)?,
        };
        let body = completion(&challenge, &code);
        answer = api.post("/api/v1/sessions/second-factor", &body).await?;
    }
    file.write(&Profile { url: api.base().to_owned(), session_token: answer.session_token })?;
    let me = answer.me;
    out.answer(&me, |out| {
        out.line(&format!("signed in to {} as {} ({})", place(&me), me.email, me.role));
    });
    Ok(())
}

/// Six digits are the app's, everything else is a recovery code.
fn completion(challenge: &Challenge, code: &str) -> serde_json::Value {
    let code = code.trim();
    let digits: String = code.chars().filter(|c| *c != ' ').collect();
    let by_app = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    let field = if by_app { "totp_code" } else { "recovery_code" };
    json!({
        "challenge_token": challenge.challenge_token,
        "delivery": "SESSION_DELIVERY_TOKEN",
        (field): if by_app { digits } else { code.to_owned() },
    })
}

/// Asks for a code at the terminal.
fn ask_code(
    challenge: &Challenge,
    password_file: &std::path::Path,
    out: Output,
) -> Outcome<String> {
    let askable = challenge.factors.iter().any(|kind| kind != "FACTOR_KIND_PASSKEY");
    if !askable {
        return Err(Failure::other("this account asks for a passkey; sign in by a browser"));
    }
    if password_file.as_os_str() == "-" {
        return Err(Failure::Usage("a second factor is needed: give --code".to_owned()));
    }
    out.note("code of the authenticator app, or a recovery code:");
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(Failure::file(std::path::Path::new("standard input")))?;
    if line.trim().is_empty() {
        return Err(Failure::Usage("a second factor is needed: give --code".to_owned()));
    }
    Ok(line)
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

/// What a file holds, or standard input for `-`, without one line end after it.
pub(crate) fn read_secret(file: &std::path::Path) -> Outcome<String> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(Failure::file(file))?;
    } else {
        text = std::fs::read_to_string(file).map_err(Failure::file(file))?;
    }
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |t| t.trim_end_matches('\r')).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_goes_where_its_shape_belongs() {
        let challenge = Challenge { challenge_token: "ych_x".to_owned(), factors: Vec::new() };
        for (code, field, sent) in [
            ("123456", "totp_code", "123456"),
            (" 123 456\n", "totp_code", "123456"),
            ("1234567", "recovery_code", "1234567"),
            ("abcd-efgh-jkmn-pqrs\n", "recovery_code", "abcd-efgh-jkmn-pqrs"),
        ] {
            let body = completion(&challenge, code);
            assert_eq!(body.get(field).and_then(|v| v.as_str()), Some(sent), "{code:?}");
            assert_eq!(body.as_object().map(serde_json::Map::len), Some(3));
        }
    }
}
