use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::api::{Api, Paged};
use crate::failure::Outcome;
use crate::output::{Output, Table};

const PATH: &str = "/api/v1/invitations";

/// Invitations into your tenant.
#[derive(Debug, Subcommand)]
pub enum InvitationsCommand {
    /// Lists those that nobody has accepted yet, newest first (the default).
    List,
    /// Sends somebody a link that lets them in, once, within seven days.
    Create(CreateArgs),
    /// Sends the mail anew; the link before is void.
    Resend {
        /// As listed.
        invitation: Uuid,
    },
    /// Makes the link void.
    Withdraw {
        /// As listed.
        invitation: Uuid,
    },
}

/// Arguments of `yard invitations create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Whom the mail goes to.
    #[arg(long)]
    pub email: String,
    /// `owner`, `operator`, `viewer` or a role of your tenant's own. You have to hold all it holds.
    #[arg(long)]
    pub role: String,
    /// Language of the mail, for example `de`. [default: the tenant's]
    #[arg(long)]
    pub locale: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Invitation {
    invitation_id: Uuid,
    email: String,
    role: String,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    mailed_at: String,
    #[serde(default)]
    invited_by: String,
    #[serde(default)]
    state: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    #[serde(default)]
    invitations: Vec<Invitation>,
    #[serde(default)]
    next_page_token: String,
}

impl Paged for Page {
    fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    fn add(&mut self, next: Self) {
        self.invitations.extend(next.invitations);
        self.next_page_token = next.next_page_token;
    }
}

/// Runs a command of this family.
pub async fn run(command: &InvitationsCommand, api: &Api, out: Output) -> Outcome {
    match command {
        InvitationsCommand::List => list(api, out).await,
        InvitationsCommand::Create(args) => {
            let locale = args.locale.as_deref().unwrap_or_default();
            let body = json!({"email": args.email, "role": args.role, "locale": locale});
            mailed(&api.post(PATH, &body).await?, out);
            Ok(())
        }
        InvitationsCommand::Resend { invitation } => {
            mailed(&api.post(&format!("{PATH}/{invitation}/mail"), &json!({})).await?, out);
            Ok(())
        }
        InvitationsCommand::Withdraw { invitation } => {
            let gone: Invitation = api.delete_read(&format!("{PATH}/{invitation}")).await?;
            out.answer(&gone, |out| out.line(&format!("{} is not invited any more", gone.email)));
            Ok(())
        }
    }
}

fn mailed(invitation: &Invitation, out: Output) {
    out.answer(invitation, |out| {
        out.line(&invitation.invitation_id.to_string());
        let Invitation { email, expires_at, .. } = invitation;
        out.note(&format!("a mail is on its way to {email}; its link is good until {expires_at}"));
    });
}

async fn list(api: &Api, out: Output) -> Outcome {
    let all: Page = api.pages(PATH).await?;
    out.answer(&all, |out| {
        let mut table = Table::new(&["e-mail", "role", "good until", "invited by", "id"]);
        for invitation in all.invitations.iter().cloned() {
            let over = invitation.state == "INVITATION_STATE_EXPIRED";
            let until = if over { "over".to_owned() } else { invitation.expires_at };
            let id = invitation.invitation_id.to_string();
            table.row(vec![invitation.email, invitation.role, until, invitation.invited_by, id]);
        }
        table.lines().iter().for_each(|line| out.line(line));
    });
    Ok(())
}
