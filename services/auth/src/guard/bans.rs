use std::net::IpAddr;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::guard::v1::{
    Ban, BanKind, CreateBanRequest, LiftBanRequest, ListBansRequest, ListBansResponse,
};
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_limits::network;
use yard_pg::{Actor, PlatformTx, page};

use super::Guarding;
use super::store::{self, BanRow};
use super::subject::Subject;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
/// Seconds that an operator's ban may last.
const LASTING: std::ops::RangeInclusive<i32> = 60..=31_536_000;
/// How long bans that are over can be read.
const KEPT: Duration = Duration::days(90);
/// A gateway's own bans: the first, and the longest however often it is repeated.
const FIRST: Duration = Duration::minutes(1);
const LONGEST: Duration = Duration::minutes(15);
/// How long an address is remembered for the next one to be longer.
const REMEMBERED: Duration = Duration::days(1);

impl Guarding {
    pub(super) async fn create(
        &self,
        caller: &Caller,
        client: Option<IpAddr>,
        request: &CreateBanRequest,
    ) -> Result<Ban, Fault> {
        let subject = Subject::parse(request.kind(), &request.subject)?;
        subject.spares(caller, client)?;
        let reason = words("reason", &request.reason)?;
        if reason.is_empty() {
            return Err(Fault::invalid("reason has to be given").with_pointer("/reason"));
        }
        if !LASTING.contains(&request.duration_seconds) {
            return Err(Fault::invalid("duration_seconds has to be 60 to 31536000")
                .with_pointer("/duration_seconds"));
        }
        let lasts = Duration::seconds(request.duration_seconds.into());
        let row = self.row(&subject, reason, caller.subject(), lasts);
        let mut tx = self.begin(caller).await?;
        store::changed(&mut tx).await?;
        store::insert(&mut tx, &row).await?;
        store::forget_before(&mut tx, row.created_at - KEPT).await?;
        tx.commit().await?;
        Ok(ban(row))
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        request: &ListBansRequest,
    ) -> Result<ListBansResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<2>(&request.page_token)?.map(place).transpose()?;
        let mut tx = self.begin(caller).await?;
        let now = self.clock.now();
        let rows = store::list(&mut tx, request.include_ended, now, after, most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(token).transpose()?;
        let bans = rows.into_iter().map(ban).collect();
        Ok(ListBansResponse { bans, next_page_token: next.unwrap_or_default() })
    }

    pub(super) async fn lift(
        &self,
        caller: &Caller,
        request: &LiftBanRequest,
    ) -> Result<Ban, Fault> {
        let unknown = || Fault::new(Code::ResourceNotFound);
        let id = Uuid::try_parse(&request.ban_id).map_err(|_e| unknown())?;
        let mut tx = self.begin(caller).await?;
        if store::lift(&mut tx, id, caller.subject(), self.clock.now()).await? {
            store::changed(&mut tx).await?;
        }
        let row = store::find(&mut tx, id).await?.ok_or_else(unknown)?;
        tx.commit().await?;
        Ok(ban(row))
    }

    /// Bans an address that a gateway reports, longer each time within a day. Gateways that report
    /// it at the same time get one ban.
    pub(super) async fn report(&self, caller: &Caller, address: &str) -> Result<Ban, Fault> {
        let wrong = |_e| Fault::invalid("address is none").with_pointer("/address");
        let address: IpAddr = address.parse().map_err(wrong)?;
        let subject = Subject::Address(network(address));
        let mut tx = self.begin(caller).await?;
        store::changed(&mut tx).await?;
        let now = self.clock.now();
        let earlier = store::automatic_since(&mut tx, &subject.text(), now - REMEMBERED).await?;
        let in_force = earlier.iter().find(|row| row.lifted_at.is_none() && row.expires_at > now);
        if let Some(row) = in_force {
            return Ok(ban(row.clone()));
        }
        let doublings = u32::try_from(earlier.len()).unwrap_or(u32::MAX).min(10);
        let lasts = (FIRST * 2_i32.pow(doublings)).min(LONGEST);
        let row = BanRow {
            automatic: true,
            ..self.row(&subject, "refused too often", caller.subject(), lasts)
        };
        store::insert(&mut tx, &row).await?;
        store::forget_before(&mut tx, now - KEPT).await?;
        tx.commit().await?;
        Ok(ban(row))
    }

    fn row(&self, subject: &Subject, reason: &str, by: &str, lasts: Duration) -> BanRow {
        let now = self.clock.now();
        BanRow {
            id: self.ids.uuid7(),
            kind: subject.kind().to_owned(),
            subject: subject.text(),
            reason: reason.to_owned(),
            created_by: by.to_owned(),
            created_at: now,
            expires_at: now + lasts,
            lifted_at: None,
            lifted_by: None,
            automatic: false,
        }
    }

    pub(super) async fn begin(&self, caller: &Caller) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?)
    }
}

/// A text for people to read, without what could garble it.
pub(super) fn words<'t>(field: &str, text: &'t str) -> Result<&'t str, Fault> {
    let text = text.trim();
    if text.chars().count() > 500 || text.chars().any(char::is_control) {
        let problem = format!("{field} may have 500 characters and no control characters");
        return Err(Fault::invalid(problem).with_pointer(format!("/{field}")));
    }
    Ok(text)
}

pub(super) fn ban(row: BanRow) -> Ban {
    let kind = match row.kind.as_str() {
        "address" => BanKind::Address,
        "token" => BanKind::Token,
        "person" => BanKind::Person,
        _ => BanKind::Unspecified,
    };
    Ban {
        ban_id: row.id.as_hyphenated().to_string(),
        kind: kind.into(),
        subject: row.subject,
        reason: row.reason,
        created_by: row.created_by,
        created_at: Some(timestamp(row.created_at)),
        expires_at: Some(timestamp(row.expires_at)),
        lifted_at: row.lifted_at.map(timestamp),
        lifted_by: row.lifted_by.unwrap_or_default(),
        automatic: row.automatic,
    }
}

fn token(row: &BanRow) -> Result<String, Fault> {
    let at = row.created_at.format(&Rfc3339).map_err(|e| Fault::internal("time").with_source(e))?;
    Ok(page::token(&[&at, &row.id.as_hyphenated().to_string()]))
}

fn place([at, id]: [String; 2]) -> Result<(OffsetDateTime, Uuid), Fault> {
    let at = OffsetDateTime::parse(&at, &Rfc3339).ok();
    at.zip(Uuid::try_parse(&id).ok()).ok_or_else(|| Code::PageTokenInvalid.into())
}
