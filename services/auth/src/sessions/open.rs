use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_fault::Fault;
use yard_ids::{Clock, IdSource};
use yard_pg::PlatformTx;

use super::store::{self, NewSession};
use super::{Client, SessionToken};

/// Opens sessions; whoever calls it has made sure who it is.
#[derive(Clone)]
pub(crate) struct Opener {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    /// From the beginning of a session to its end.
    pub(crate) lifetime: Duration,
}

/// A session that is to be.
pub(crate) struct Opening<'a> {
    pub(crate) person: Uuid,
    /// `None` is the platform, for those who run it.
    pub(crate) tenant: Option<Uuid>,
    /// When the person proved who they are; not later than now.
    pub(crate) auth_time: OffsetDateTime,
    /// How (RFC 8176). With `mfa` it counts as two factors.
    pub(crate) amr: &'a [String],
    /// An earlier end than the usual one: that of the session it comes from.
    pub(crate) ends: Option<OffsetDateTime>,
    pub(crate) client: &'a Client,
    /// By whose word, if by a provider's of the tenant.
    pub(crate) provider: Option<Uuid>,
}

/// A new session. The token is shown to the client and to nobody else.
pub(crate) struct NewlyOpened {
    pub(crate) token: SessionToken,
    pub(crate) expires_at: OffsetDateTime,
}

impl Opener {
    /// Adds the session to the caller's transaction. Whether the person may be in the tenant is seen
    /// at each exchange, and whether the tenant asks for more than was shown.
    ///
    /// # Errors
    /// When the database does not take it.
    pub(crate) async fn open(
        &self,
        tx: &mut PlatformTx,
        opening: &Opening<'_>,
    ) -> Result<NewlyOpened, Fault> {
        let token = SessionToken::generate()?;
        let now = self.clock.now();
        let usual = now + self.lifetime;
        let expires_at = opening.ends.map_or(usual, |ends| ends.min(usual));
        let session = NewSession {
            id: self.ids.uuid7(),
            token_hash: token.hash(),
            principal_id: opening.person,
            tenant_id: opening.tenant,
            created_at: now,
            expires_at,
            auth_time: opening.auth_time.min(now),
            amr: opening.amr,
            client: opening.client.agent(),
            network: &opening.client.network(),
            provider: opening.provider,
        };
        store::insert(tx, &session).await?;
        Ok(NewlyOpened { token, expires_at })
    }
}
