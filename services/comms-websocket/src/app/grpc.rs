use std::sync::Arc;

use aws_lc_rs::rand;
use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::seal::Sealer;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::realtime::v1 as wire;
use yard_contracts::realtime::v1::realtime_app_service_server::RealtimeAppService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource};
use yard_outbound::Guard;
use yard_pg::{Actor, Pg, TenantTx};

use super::app::NUMBERS;
use super::store::{self, Row, SecretRow, WebhookRow};
use super::{AppId, Apps, SECRET, to_hex, webhooks, wishes};
use crate::bus::Bus;

/// Serves `RealtimeAppService`.
pub(crate) struct AppsGrpc {
    pub(crate) pg: Pg,
    pub(crate) sealer: Sealer,
    pub(crate) apps: Apps,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    /// Apps of one tenant.
    pub(crate) most: u32,
    /// Where webhooks may be.
    pub(crate) guard: Guard,
}

#[async_trait]
impl RealtimeAppService for AppsGrpc {
    async fn create_realtime_app(
        &self,
        request: Request<wire::CreateRealtimeAppRequest>,
    ) -> Result<Response<wire::CreateRealtimeAppResponse>, Status> {
        let call = Call::of(&request);
        let wish = request.into_inner().realtime_app.unwrap_or_default();
        self.create(&call.caller, wish).await.rpc(&call, "make a realtime app")
    }

    async fn list_realtime_apps(
        &self,
        request: Request<wire::ListRealtimeAppsRequest>,
    ) -> Result<Response<wire::ListRealtimeAppsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call.caller).await.rpc(&call, "list realtime apps")
    }

    async fn get_realtime_app(
        &self,
        request: Request<wire::GetRealtimeAppRequest>,
    ) -> Result<Response<wire::RealtimeApp>, Status> {
        let call = Call::of(&request);
        self.get(&call.caller, &request.get_ref().app_id).await.rpc(&call, "show a realtime app")
    }

    async fn update_realtime_app(
        &self,
        request: Request<wire::UpdateRealtimeAppRequest>,
    ) -> Result<Response<wire::RealtimeApp>, Status> {
        let call = Call::of(&request);
        self.update(&call.caller, request.into_inner()).await.rpc(&call, "change a realtime app")
    }

    async fn delete_realtime_app(
        &self,
        request: Request<wire::DeleteRealtimeAppRequest>,
    ) -> Result<Response<wire::DeleteRealtimeAppResponse>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().app_id;
        self.delete(&call.caller, id).await.rpc(&call, "delete a realtime app")
    }

    async fn add_realtime_app_secret(
        &self,
        request: Request<wire::AddRealtimeAppSecretRequest>,
    ) -> Result<Response<wire::AddRealtimeAppSecretResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().app_id;
        self.add_secret(&call.caller, id).await.rpc(&call, "add a secret to a realtime app")
    }

    async fn end_realtime_app_secret(
        &self,
        request: Request<wire::EndRealtimeAppSecretRequest>,
    ) -> Result<Response<wire::RealtimeApp>, Status> {
        let call = Call::of(&request);
        self.end_secret(&call.caller, request.get_ref()).await.rpc(&call, "end a secret")
    }
}

impl AppsGrpc {
    async fn begin(&self, caller: &Caller) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(caller.subject());
        Ok(TenantTx::begin(&self.pg, caller.tenant()?, &actor).await?)
    }

    async fn create(
        &self,
        caller: &Caller,
        mut wish: wire::RealtimeApp,
    ) -> Result<wire::CreateRealtimeAppResponse, Fault> {
        let now = self.clock.now();
        let hooks = webhooks::read(std::mem::take(&mut wish.webhooks), &self.guard)?;
        let (number, key) = (random_number()?, to_hex(&random::<10>()?));
        let row = Row { number, key, ..wishes::read(wish, now)? };
        let mut tx = self.begin(caller).await?;
        if store::count(&mut tx).await? >= i64::from(self.most) {
            let text = format!("A tenant has {} realtime apps at most.", self.most);
            return Err(Fault::new(Code::LimitReached).with_public(text));
        }
        store::insert(&mut tx, &row, caller.subject()).await?;
        store::put_webhooks(&mut tx, number, &hooks).await?;
        let (_, secret) = self.put_secret(&mut tx, number, now).await?;
        let app = shown(&mut tx, row).await?;
        tx.commit().await?;
        Ok(wire::CreateRealtimeAppResponse { app: Some(app), secret })
    }

    async fn list(&self, caller: &Caller) -> Result<wire::ListRealtimeAppsResponse, Fault> {
        let mut tx = self.begin(caller).await?;
        let rows = store::all(&mut tx).await?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
        let secrets = store::secrets(&mut tx, &numbers).await?;
        let hooks = store::webhooks(&mut tx, &numbers).await?;
        tx.commit().await?;
        let apps = rows.into_iter().map(|row| to_wire(row, &secrets, &hooks)).collect();
        Ok(wire::ListRealtimeAppsResponse { apps })
    }

    async fn get(&self, caller: &Caller, id: &str) -> Result<wire::RealtimeApp, Fault> {
        let number = number(id)?;
        let mut tx = self.begin(caller).await?;
        let row = store::get(&mut tx, number).await?.ok_or(Code::ResourceNotFound)?;
        let app = shown(&mut tx, row).await?;
        tx.commit().await?;
        Ok(app)
    }

    async fn update(
        &self,
        caller: &Caller,
        request: wire::UpdateRealtimeAppRequest,
    ) -> Result<wire::RealtimeApp, Fault> {
        let missing = || Fault::invalid("realtime_app is missing");
        let mut wanted = request.realtime_app.ok_or_else(missing)?;
        let number = number(&wanted.app_id)?;
        let paths = request.update_mask.unwrap_or_default().paths;
        let hooks = match paths.iter().any(|path| path == wishes::WEBHOOKS) {
            true => Some(webhooks::read(std::mem::take(&mut wanted.webhooks), &self.guard)?),
            false => None,
        };
        let mut tx = self.begin(caller).await?;
        let before = store::keep(&mut tx, number).await?.ok_or(Code::ResourceNotFound)?;
        let all = to_wire(before.clone(), &[], &[]);
        let after = wishes::merged(before, all, wanted, &paths, self.clock.now())?;
        store::update(&mut tx, &after).await?;
        if let Some(hooks) = hooks {
            store::put_webhooks(&mut tx, number, &hooks).await?;
        }
        let app = shown(&mut tx, after).await?;
        tx.commit().await?;
        self.tell(number).await;
        Ok(app)
    }

    async fn delete(
        &self,
        caller: &Caller,
        app_id: String,
    ) -> Result<wire::DeleteRealtimeAppResponse, Fault> {
        let number = number(&app_id)?;
        let mut tx = self.begin(caller).await?;
        if !store::delete(&mut tx, number).await? {
            return Err(Code::ResourceNotFound.into());
        }
        tx.commit().await?;
        self.tell(number).await;
        Ok(wire::DeleteRealtimeAppResponse { app_id })
    }

    async fn add_secret(
        &self,
        caller: &Caller,
        app_id: &str,
    ) -> Result<wire::AddRealtimeAppSecretResponse, Fault> {
        let number = number(app_id)?;
        let mut tx = self.begin(caller).await?;
        let row = store::keep(&mut tx, number).await?.ok_or(Code::ResourceNotFound)?;
        let (id, secret) = self.put_secret(&mut tx, number, self.clock.now()).await?;
        let app = shown(&mut tx, row).await?;
        tx.commit().await?;
        self.tell(number).await;
        let secret_id = id.as_hyphenated().to_string();
        Ok(wire::AddRealtimeAppSecretResponse { app: Some(app), secret_id, secret })
    }

    async fn end_secret(
        &self,
        caller: &Caller,
        request: &wire::EndRealtimeAppSecretRequest,
    ) -> Result<wire::RealtimeApp, Fault> {
        let number = number(&request.app_id)?;
        let id = Uuid::try_parse(&request.secret_id).map_err(|_e| Code::ResourceNotFound)?;
        let mut tx = self.begin(caller).await?;
        let row = store::keep(&mut tx, number).await?.ok_or(Code::ResourceNotFound)?;
        if !store::end_secret(&mut tx, number, id).await? {
            return Err(Code::ResourceNotFound.into());
        }
        let app = shown(&mut tx, row).await?;
        if app.secrets.is_empty() {
            return Err(Fault::invalid("an app keeps one secret: add another one first"));
        }
        tx.commit().await?;
        self.tell(number).await;
        Ok(app)
    }

    /// Makes a secret of an app; its id, and what it is.
    async fn put_secret(
        &self,
        tx: &mut TenantTx,
        app: i64,
        created_at: OffsetDateTime,
    ) -> Result<(Uuid, String), Fault> {
        let id = self.ids.uuid7();
        let secret = to_hex(&random::<32>()?);
        let sealed = self.sealer.seal(SECRET, id.as_bytes(), secret.as_bytes())?;
        if !store::add_secret(tx, &SecretRow { id, app, created_at }, &sealed).await? {
            let text = "An app has two secrets at most; end one of them first.";
            return Err(Fault::new(Code::LimitReached).with_public(text));
        }
        Ok((id, secret))
    }

    /// Has every instance see what was committed. A lost notice is made good within 30 seconds.
    async fn tell(&self, number: i64) {
        let Some(app) = AppId::of_stored(number) else { return };
        self.apps.doubt(app);
        if let Err(error) = self.bus.app_changed(app).await {
            tracing::debug!(error = %error, app = %app, "instances see the change by themselves");
        }
    }
}

/// An app with the secrets and webhooks it has now.
async fn shown(tx: &mut TenantTx, row: Row) -> Result<wire::RealtimeApp, Fault> {
    let secrets = store::secrets(tx, &[row.number]).await?;
    let hooks = store::webhooks(tx, &[row.number]).await?;
    Ok(to_wire(row, &secrets, &hooks))
}

fn to_wire(row: Row, secrets: &[SecretRow], hooks: &[WebhookRow]) -> wire::RealtimeApp {
    let webhooks = hooks.iter().filter(|hook| hook.app == row.number);
    let webhooks = webhooks.map(webhooks::to_wire).collect();
    let of_app = secrets.iter().filter(|secret| secret.app == row.number);
    wire::RealtimeApp {
        app_id: row.number.to_string(),
        key: row.key,
        name: row.name,
        disabled: row.disabled_at.is_some(),
        client_events: row.client_events,
        client_events_per_second: row.client_events_per_second,
        allowed_origins: row.allowed_origins,
        max_connections: row.max_connections,
        max_members: row.max_members,
        max_event_bytes: row.max_event_bytes,
        subscription_count: row.subscription_count,
        recoverable_prefixes: row.recoverable_prefixes,
        history_events: row.history_events,
        history_seconds: row.history_seconds,
        secrets: of_app
            .map(|secret| wire::RealtimeAppSecret {
                secret_id: secret.id.as_hyphenated().to_string(),
                created_at: Some(timestamp(secret.created_at)),
            })
            .collect(),
        created_at: Some(timestamp(row.created_at)),
        changed_at: row.changed_at.map(timestamp),
        webhooks,
    }
}

/// A number as tenants' apps have it; anything else is nobody's.
pub(crate) fn number(app_id: &str) -> Result<i64, Fault> {
    let number = app_id.parse().ok().filter(|number| NUMBERS.contains(number));
    Ok(number.ok_or(Code::ResourceNotFound)?)
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_e| Fault::internal("no random numbers for an app"))?;
    Ok(bytes)
}

/// Of 9,000,000,000: a tenth app's number is not known from nine others.
fn random_number() -> Result<i64, Fault> {
    let count = NUMBERS.end() - NUMBERS.start() + 1;
    let random = i64::from_le_bytes(random::<8>()?) & i64::MAX;
    Ok(NUMBERS.start() + random % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_ten_digits_and_nothing_else_is_one() {
        for _ in 0..100 {
            let made = random_number().unwrap();
            assert_eq!(made.to_string().len(), 10);
            assert_eq!(number(&made.to_string()).unwrap(), made);
        }
        for other in ["", "1", "999999999", "10000000000", "-1234567890", "12345678x0", "1e9"] {
            assert_eq!(number(other).unwrap_err().code(), Code::ResourceNotFound, "{other}");
        }
    }
}
