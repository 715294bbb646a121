//! Subscribers, managed by their tenant.

pub(super) mod password;
mod store;
mod wish;

use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::aaa::v1 as wire;
use yard_contracts::aaa::v1::subscriber_service_server::SubscriberService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::{PgError, page};

use super::{Aaa, random_text};
use store::Subscriber;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;
/// Characters of a password that is made here: 60 bits.
const MADE_LENGTH: usize = 12;

/// Serves `SubscriberService`.
pub(super) struct SubscribersGrpc {
    pub(super) aaa: Aaa,
}

#[async_trait]
impl SubscriberService for SubscribersGrpc {
    async fn create_subscriber(
        &self,
        request: Request<wire::CreateSubscriberRequest>,
    ) -> Result<Response<wire::CreateSubscriberResponse>, Status> {
        let call = Call::of(&request);
        let wish = request.into_inner().subscriber.unwrap_or_default();
        self.create(&call.caller, wish).await.rpc(&call, "make a subscriber")
    }

    async fn list_subscribers(
        &self,
        request: Request<wire::ListSubscribersRequest>,
    ) -> Result<Response<wire::ListSubscribersResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller, request.get_ref()).await.rpc(&call, "list subscribers")
    }

    async fn update_subscriber(
        &self,
        request: Request<wire::UpdateSubscriberRequest>,
    ) -> Result<Response<wire::Subscriber>, Status> {
        let call = Call::of(&request);
        self.update(&call.caller, request.into_inner()).await.rpc(&call, "change a subscriber")
    }

    async fn delete_subscriber(
        &self,
        request: Request<wire::DeleteSubscriberRequest>,
    ) -> Result<Response<wire::DeleteSubscriberResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().subscriber_id;
        self.delete(&call.caller, id).await.rpc(&call, "take a subscriber away")
    }
}

impl SubscribersGrpc {
    async fn create(
        &self,
        caller: &Caller,
        mut wish: wire::Subscriber,
    ) -> Result<wire::CreateSubscriberResponse, Fault> {
        let (id, now) = (self.aaa.0.ids.uuid7(), self.aaa.0.clock.now());
        let user_name = wish::user_name(&wish.user_name)?;
        let terms = wish::terms(&wish)?;
        let given = std::mem::take(&mut wish.password);
        let made = if given.is_empty() { random_text::<MADE_LENGTH>()? } else { String::new() };
        let chosen = if given.is_empty() { &made } else { wish::password(&given)? };
        let mut tx = self.aaa.begin(caller).await?;
        let key = self.aaa.key(&mut tx).await?;
        let password = password::stored(&key, id, chosen, wish.pap_only)?;
        let subscriber = Subscriber {
            id,
            user_name,
            pap_only: wish.pap_only,
            disabled_at: wish.disabled.then_some(now),
            valid_until: terms.valid_until,
            session_timeout_seconds: wish.session_timeout_seconds,
            idle_timeout_seconds: wish.idle_timeout_seconds,
            upload_kbps: wish.upload_kbps,
            download_kbps: wish.download_kbps,
            created_at: now,
            changed_at: None,
        };
        let stored = store::insert(&mut tx, &subscriber, &password, caller.subject()).await;
        stored.map_err(taken)?;
        tx.commit().await?;
        let subscriber = Some(to_wire(subscriber));
        Ok(wire::CreateSubscriberResponse { subscriber, password: made })
    }

    async fn list(
        &self,
        caller: &Caller,
        request: &wire::ListSubscribersRequest,
    ) -> Result<wire::ListSubscribersResponse, Fault> {
        let most = page::size(request.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = page::parts::<1>(&request.page_token)?.map(|[name]| name);
        if request.prefix.chars().count() > wish::LONGEST_NAME {
            let text = format!("prefix has to be at most {} characters", wish::LONGEST_NAME);
            return Err(Fault::invalid(text).with_pointer("/prefix"));
        }
        let mut tx = self.aaa.begin(caller).await?;
        let rows = store::page(&mut tx, after.as_deref(), &request.prefix, most).await?;
        tx.commit().await?;
        let full = i64::try_from(rows.len()) == Ok(most);
        let next = rows.last().filter(|_| full).map(|last| page::token(&[&last.user_name]));
        Ok(wire::ListSubscribersResponse {
            subscribers: rows.into_iter().map(to_wire).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn update(
        &self,
        caller: &Caller,
        request: wire::UpdateSubscriberRequest,
    ) -> Result<wire::Subscriber, Fault> {
        let wanted = request.subscriber.ok_or_else(|| Fault::invalid("subscriber is missing"))?;
        let id = parsed(&wanted.subscriber_id)?;
        let now = self.aaa.0.clock.now();
        let paths = request.update_mask.unwrap_or_default().paths;
        let mut tx = self.aaa.begin(caller).await?;
        let before = store::keep(&mut tx, id).await?.ok_or(Code::ResourceNotFound)?;
        let after = wish::merged(before, &wanted, &paths, now)?;
        store::update(&mut tx, &after).await?;
        if paths.iter().any(|path| path == "password") {
            let key = self.aaa.key(&mut tx).await?;
            let chosen = wish::password(&wanted.password)?;
            let password = password::stored(&key, id, chosen, after.pap_only)?;
            store::replace_password(&mut tx, id, &password).await?;
        }
        tx.commit().await?;
        Ok(to_wire(after))
    }

    async fn delete(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<wire::DeleteSubscriberResponse, Fault> {
        let id = parsed(id)?;
        let mut tx = self.aaa.begin(caller).await?;
        if !store::delete(&mut tx, id).await? {
            return Err(Code::ResourceNotFound.into());
        }
        tx.commit().await?;
        Ok(wire::DeleteSubscriberResponse { subscriber_id: id.as_hyphenated().to_string() })
    }
}

fn parsed(id: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(id).map_err(|_e| Code::ResourceNotFound.into())
}

fn taken(error: PgError) -> Fault {
    if error.is_taken("radius_subscribers_user_name") {
        let text = "Another subscriber has this user name.";
        return Fault::new(Code::ResourceExists).with_public(text).with_source(error);
    }
    error.into()
}

fn to_wire(row: Subscriber) -> wire::Subscriber {
    wire::Subscriber {
        subscriber_id: row.id.as_hyphenated().to_string(),
        user_name: row.user_name,
        password: String::new(),
        pap_only: row.pap_only,
        disabled: row.disabled_at.is_some(),
        valid_until: row.valid_until.map(timestamp),
        session_timeout_seconds: row.session_timeout_seconds,
        idle_timeout_seconds: row.idle_timeout_seconds,
        upload_kbps: row.upload_kbps,
        download_kbps: row.download_kbps,
        created_at: Some(timestamp(row.created_at)),
        changed_at: row.changed_at.map(timestamp),
    }
}
