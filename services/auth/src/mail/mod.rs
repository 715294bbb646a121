//! Mail to people: written in the transaction of what it tells of, sent by a task, forgotten after.
//!
//! A mail lies sealed in `platform.mails`, because it holds a link that lets someone in; once it is
//! sent, given up or past its time, that is erased. It may arrive twice when this service ends
//! between the server's word and our note of it, under the same `Message-ID`.

mod address;
mod compose;
mod config;
mod letter;
mod sender;
mod store;
mod transport;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;
use yard_authn::seal::Sealer;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource};
use yard_pg::{Pg, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

pub(crate) use address::Address;
pub use config::MailConfig;
pub(crate) use letter::{Letter, Link, Page};

use compose::Composer;
use letter::Templates;
use sender::Sender;
use transport::Transport;

const PURPOSE: &str = "mail";

/// Hands mails to the task that sends them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Post(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    sealer: Sealer,
    templates: Templates,
    console_url: String,
    locale: String,
    /// False where no mail server is configured.
    open: bool,
    wake: Arc<Notify>,
}

/// Whom a mail is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipient<'a> {
    pub(crate) address: &'a Address,
    /// As the person or their tenant wants it; `None` for what the installation speaks.
    pub(crate) locale: Option<&'a str>,
    /// The tenant whose mail it is; `None` for what concerns a person in all of theirs.
    pub(crate) tenant: Option<Uuid>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    to: String,
    subject: String,
    text: String,
    html: String,
}

impl Post {
    /// Starts the task that sends, where a mail server is configured.
    ///
    /// # Errors
    /// Names the option that cannot be used.
    pub(crate) fn start(
        config: &MailConfig,
        pg: &Pg,
        sealer: &Sealer,
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let url = config.resolve_url()?;
        let wake = Arc::new(Notify::new());
        if let Some(url) = &url {
            let sender = Sender {
                pg: pg.clone(),
                clock: runtime.clock(),
                sealer: sealer.clone(),
                composer: Composer::new(&config.from)?,
                transport: Transport::open(url, config)?,
                wake: Arc::clone(&wake),
                soft: runtime.shutdown().soft().clone(),
            };
            runtime.tasks().spawn(TaskKind::Critical, "mail", sender.run());
        } else {
            tracing::info!("mail.smtp_url is not set: invitations and resets are refused");
        }
        Ok(Self(Arc::new(Inner {
            clock: runtime.clock(),
            ids: runtime.ids(),
            sealer: sealer.clone(),
            templates: Templates::load()?,
            console_url: config.console_url.trim_end_matches('/').to_owned(),
            locale: config.locale.clone(),
            open: url.is_some(),
            wake,
        })))
    }

    /// Whether this installation sends mail; asked before anything is begun that needs one.
    ///
    /// # Errors
    /// `service.unavailable`.
    pub(crate) fn ready(&self) -> Result<(), Fault> {
        if self.0.open {
            return Ok(());
        }
        let text = "This installation sends no mail: mail.smtp_url is not set.";
        Err(Fault::new(Code::ServiceUnavailable).with_public(text))
    }

    /// Writes a mail in the caller's transaction. Call [`Post::wake`] after the commit.
    ///
    /// # Errors
    /// As any statement.
    pub(crate) async fn write(
        &self,
        tx: &mut PlatformTx,
        to: Recipient<'_>,
        letter: &Letter,
        expires_at: OffsetDateTime,
    ) -> Result<(), Fault> {
        let Inner { clock, ids, sealer, templates, console_url, locale, .. } = &*self.0;
        let written = templates.render(letter, to.locale.unwrap_or(locale), console_url)?;
        let content = Content {
            to: to.address.as_str().to_owned(),
            subject: written.subject,
            text: written.text,
            html: written.html,
        };
        let id = ids.uuid7();
        let plain = serde_json::to_vec(&content)
            .map_err(|e| Fault::internal("write a mail down").with_source(e))?;
        let mail = store::NewMail {
            id,
            tenant: to.tenant,
            kind: letter.name(),
            sealed: sealer.seal(PURPOSE, id.as_bytes(), &plain)?,
            created_at: clock.now(),
            expires_at,
        };
        Ok(store::insert(tx, &mail).await?)
    }

    /// Something was committed that shall be sent.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }
}
