use std::sync::Arc;

use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, RpcResult as _};
use yard_contracts::job::v1::job_service_server::JobService;
use yard_contracts::job::v1::{
    Job, JobState, ListJobsRequest, ListJobsResponse, ListQueuesRequest, ListQueuesResponse,
};
use yard_contracts::values;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PlatformTx, fault, page};

use super::queues;

const USUAL_PAGE: u16 = 50;
const LARGEST_PAGE: u16 = 200;

/// Answers `yard.job.v1.JobService`.
pub(crate) struct JobApi {
    pg: Pg,
    nats: Nats,
    clock: Arc<dyn Clock>,
}

#[derive(sqlx::FromRow)]
struct JobRow {
    id: Uuid,
    queue: String,
    kind: String,
    state: String,
    attempt: i32,
    created_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    last_error: String,
}

impl JobApi {
    pub(crate) fn new(pg: Pg, nats: Nats, clock: Arc<dyn Clock>) -> Self {
        Self { pg, nats, clock }
    }

    async fn list(&self, call: &Call, asked: &ListJobsRequest) -> Result<ListJobsResponse, Fault> {
        let size = page::size(asked.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let state = state_filter(asked.state)?;
        let before = Before::parse(&asked.page_token)?;
        let actor = Actor::of_subject(call.caller.subject());
        let mut tx = PlatformTx::begin(&self.pg, &actor).await?;
        let mut rows: Vec<JobRow> = sqlx::query_as(
            "select id, queue, kind, state, attempt, created_at, finished_at, last_error \
             from platform.jobs \
             where ($1::text is null or state = $1) \
               and ($2::timestamptz is null or (created_at, id) < ($2, $3)) \
             order by created_at desc, id desc limit $4",
        )
        .bind(state)
        .bind(before.map(|before| before.created_at))
        .bind(before.map(|before| before.id))
        .bind(size + 1)
        .fetch_all(&mut *tx)
        .await
        .map_err(fault)?;
        tx.commit().await?;
        let more = i64::try_from(rows.len()).is_ok_and(|found| found > size);
        if more {
            rows.pop();
        }
        let next = rows.last().filter(|_| more).map(Before::token).unwrap_or_default();
        Ok(ListJobsResponse {
            jobs: rows.into_iter().map(Job::from).collect(),
            next_page_token: next,
        })
    }
}

#[async_trait]
impl JobService for JobApi {
    async fn list_jobs(
        &self,
        request: Request<ListJobsRequest>,
    ) -> Result<Response<ListJobsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call, request.get_ref()).await.rpc(&call, "list jobs")
    }

    async fn list_queues(
        &self,
        request: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        let call = Call::of(&request);
        let queues = queues::all(&self.pg, &self.nats, self.clock.now()).await;
        queues.map(|queues| ListQueuesResponse { queues }).rpc(&call, "list queues")
    }
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        let state = match row.state.as_str() {
            "available" => JobState::Available,
            "running" => JobState::Running,
            "completed" => JobState::Completed,
            "dead" => JobState::Dead,
            _ => JobState::Unspecified,
        };
        Self {
            job_id: row.id.to_string(),
            queue: row.queue,
            kind: row.kind,
            state: state.into(),
            attempt: row.attempt,
            created_at: Some(values::timestamp(row.created_at)),
            finished_at: row.finished_at.map(values::timestamp),
            last_error: row.last_error,
        }
    }
}

/// `None` for jobs of any state.
fn state_filter(state: i32) -> Result<Option<&'static str>, Fault> {
    match JobState::try_from(state) {
        Ok(JobState::Unspecified) => Ok(None),
        Ok(JobState::Available) => Ok(Some("available")),
        Ok(JobState::Running) => Ok(Some("running")),
        Ok(JobState::Completed) => Ok(Some("completed")),
        Ok(JobState::Dead) => Ok(Some("dead")),
        Err(_) => Err(Fault::invalid("there is no such state").with_pointer("/state")),
    }
}

/// Where the last page ended.
#[derive(Debug, Clone, Copy)]
struct Before {
    created_at: OffsetDateTime,
    id: Uuid,
}

impl Before {
    fn parse(token: &str) -> Result<Option<Self>, Fault> {
        let Some([nanos, id]) = page::parts::<2>(token)? else {
            return Ok(None);
        };
        let wrong = || Fault::new(Code::PageTokenInvalid);
        let nanos: i128 = nanos.parse().map_err(|_e| wrong())?;
        let created_at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_e| wrong())?;
        Ok(Some(Self { created_at, id: Uuid::try_parse(&id).map_err(|_e| wrong())? }))
    }

    fn token(row: &JobRow) -> String {
        let nanos = row.created_at.unix_timestamp_nanos();
        page::token(&[&nanos.to_string(), &row.id.to_string()])
    }
}
