use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, RpcResult as _};
use yard_contracts::schedule::v1::schedule_service_server::ScheduleService;
use yard_contracts::schedule::v1::{
    Fire, GetLeadershipRequest, Leadership, ListFiresRequest, ListFiresResponse,
    ListSchedulesRequest, ListSchedulesResponse, RunScheduleRequest, Schedule,
};
use yard_contracts::values;
use yard_fault::{Code, Fault};
use yard_pg::{Actor, Pg, PlatformTx, page};

use super::metrics;
use super::plan::Cause;
use super::store::{self, FireRow, ScheduleRow};

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Answers `yard.schedule.v1.ScheduleService`.
pub(crate) struct ScheduleApi {
    pg: Pg,
    written: Arc<Notify>,
}

impl ScheduleApi {
    pub(crate) const fn new(pg: Pg, written: Arc<Notify>) -> Self {
        Self { pg, written }
    }

    async fn begin(&self, call: &Call) -> Result<PlatformTx, Fault> {
        let actor = Actor::of_subject(call.caller.subject());
        Ok(PlatformTx::begin(&self.pg, &actor).await?)
    }

    async fn schedules(&self, call: &Call) -> Result<ListSchedulesResponse, Fault> {
        let mut tx = self.begin(call).await?;
        let rows = store::all(&mut tx).await?;
        tx.commit().await?;
        Ok(ListSchedulesResponse { schedules: rows.into_iter().map(Schedule::from).collect() })
    }

    async fn fires(
        &self,
        call: &Call,
        asked: &ListFiresRequest,
    ) -> Result<ListFiresResponse, Fault> {
        let size = page::size(asked.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let before = last_key(&asked.page_token)?;
        let mut tx = self.begin(call).await?;
        if !store::exists(&mut tx, &asked.schedule).await? {
            return Err(Code::ScheduleUnknown.into());
        }
        let mut rows = store::fires(&mut tx, &asked.schedule, before, size + 1).await?;
        tx.commit().await?;
        let more = i64::try_from(rows.len()).is_ok_and(|found| found > size);
        if more {
            rows.pop();
        }
        let next_page_token = rows.last().filter(|_| more).map(token).unwrap_or_default();
        Ok(ListFiresResponse { fires: rows.into_iter().map(Fire::from).collect(), next_page_token })
    }

    /// Any instance may: nothing is decided here that two could decide differently. The fire is a
    /// row of its own beside the plan, under the epoch of whoever leads (0 when nobody has yet),
    /// and its job leaves by the outbox as every other.
    async fn run(&self, call: &Call, asked: &RunScheduleRequest) -> Result<Fire, Fault> {
        let mut tx = self.begin(call).await?;
        let schedule = store::lock(&mut tx, &asked.schedule)
            .await?
            .ok_or_else(|| Fault::new(Code::ScheduleUnknown))?;
        let epoch = store::lease(&mut tx).await?.map_or(0, |(_, epoch, ..)| epoch);
        let fire = store::fire(&mut tx, &schedule, schedule.now, epoch, Cause::ByHand)
            .await?
            .ok_or_else(|| Fault::new(Code::ResourceExists))?;
        tx.commit().await?;
        self.written.notify_one();
        metrics::fired(&schedule.name, Cause::ByHand, Duration::ZERO);
        Ok(fire.into())
    }

    async fn leadership(&self, call: &Call) -> Result<Leadership, Fault> {
        let mut tx = self.begin(call).await?;
        let lease = store::lease(&mut tx).await?;
        tx.commit().await?;
        let Some((holder, epoch, expires_at, in_force)) = lease else {
            return Ok(Leadership::default());
        };
        // An empty holder says that nobody leads at present.
        let holder = if in_force { holder } else { String::new() };
        Ok(Leadership { holder, epoch, expires_at: Some(values::timestamp(expires_at)) })
    }
}

#[async_trait]
impl ScheduleService for ScheduleApi {
    async fn list_schedules(
        &self,
        request: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        let call = Call::of(&request);
        self.schedules(&call).await.rpc(&call, "list schedules")
    }

    async fn list_fires(
        &self,
        request: Request<ListFiresRequest>,
    ) -> Result<Response<ListFiresResponse>, Status> {
        let call = Call::of(&request);
        self.fires(&call, request.get_ref()).await.rpc(&call, "list fires")
    }

    async fn run_schedule(
        &self,
        request: Request<RunScheduleRequest>,
    ) -> Result<Response<Fire>, Status> {
        let call = Call::of(&request);
        self.run(&call, request.get_ref()).await.rpc(&call, "run a schedule")
    }

    async fn get_leadership(
        &self,
        request: Request<GetLeadershipRequest>,
    ) -> Result<Response<Leadership>, Status> {
        let call = Call::of(&request);
        self.leadership(&call).await.rpc(&call, "say who leads")
    }
}

impl From<ScheduleRow> for Schedule {
    fn from(row: ScheduleRow) -> Self {
        Self {
            name: row.name,
            cron: row.cron,
            time_zone: row.time_zone,
            job_kind: row.job_kind,
            paused: row.paused,
            next_fire_at: row.next_fire_at.map(values::timestamp),
            last_fire_at: row.last_fire_at.map(values::timestamp),
        }
    }
}

impl From<FireRow> for Fire {
    fn from(row: FireRow) -> Self {
        Self {
            fire_id: row.id.to_string(),
            schedule: row.schedule,
            planned_at: Some(values::timestamp(row.planned_at)),
            fired_at: Some(values::timestamp(row.fired_at)),
            epoch: row.epoch,
            cause: row.cause,
        }
    }
}

fn last_key(token: &str) -> Result<Option<(OffsetDateTime, Uuid)>, Fault> {
    let Some([nanos, id]) = page::parts::<2>(token)? else {
        return Ok(None);
    };
    let wrong = || Fault::new(Code::PageTokenInvalid);
    let nanos: i128 = nanos.parse().map_err(|_e| wrong())?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_e| wrong())?;
    Ok(Some((at, Uuid::try_parse(&id).map_err(|_e| wrong())?)))
}

fn token(row: &FireRow) -> String {
    page::token(&[&row.fired_at.unix_timestamp_nanos().to_string(), &row.id.to_string()])
}
