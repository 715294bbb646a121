use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, RpcResult as _};
use yard_contracts::telemetry::v1::telemetry_service_server::TelemetryService;
use yard_contracts::telemetry::v1::{
    GetLatestReadingRequest, GetSequenceReportRequest, GetSeriesRequest, ListReadingsRequest,
    ListReadingsResponse, Reading, SequenceReport, Series,
};
use yard_contracts::values;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_pg::{Actor, Pg, TenantTx, page};

use super::request::{self, Window};
use super::{readings, report, series};

const USUAL_PAGE: u16 = 200;
const LARGEST_PAGE: u16 = 1_000;

/// Answers `yard.telemetry.v1.TelemetryService`.
pub(crate) struct TelemetryApi {
    pg: Pg,
    clock: Arc<dyn Clock>,
}

impl TelemetryApi {
    pub(crate) fn new(pg: Pg, clock: Arc<dyn Clock>) -> Self {
        Self { pg, clock }
    }

    async fn begin(&self, call: &Call) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(call.caller.subject());
        Ok(TenantTx::begin_reader(&self.pg, call.caller.tenant()?, &actor).await?)
    }

    async fn list(
        &self,
        call: &Call,
        asked: ListReadingsRequest,
    ) -> Result<ListReadingsResponse, Fault> {
        let device = request::device(&asked.device_id)?;
        let window = Window::new(asked.from.as_ref(), asked.to.as_ref(), self.clock.now())?;
        let size = page::size(asked.page_size, USUAL_PAGE, LARGEST_PAGE)?;
        let after = readings::After::parse(&asked.page_token)?;
        let mut tx = self.begin(call).await?;
        let (rows, next_page_token) = readings::list(&mut tx, device, window, after, size).await?;
        tx.commit().await?;
        let readings = rows.into_iter().map(|row| readings::to_reading(row, device)).collect();
        Ok(ListReadingsResponse { readings, next_page_token })
    }

    async fn latest(&self, call: &Call, asked: GetLatestReadingRequest) -> Result<Reading, Fault> {
        let device = request::device(&asked.device_id)?;
        let mut tx = self.begin(call).await?;
        let row = readings::latest(&mut tx, device).await?;
        tx.commit().await?;
        // The same answer for a device without readings, of another tenant, and for none at all.
        let row = row.ok_or_else(|| Fault::new(Code::ResourceNotFound))?;
        Ok(readings::to_reading(row, device))
    }

    async fn series(&self, call: &Call, asked: GetSeriesRequest) -> Result<Series, Fault> {
        let device = request::device(&asked.device_id)?;
        let metric = request::metric(&asked.metric)?;
        let window = Window::new(asked.from.as_ref(), asked.to.as_ref(), self.clock.now())?
            .at_most_kept()?;
        let wanted = request::buckets(asked.buckets)?;
        let mut tx = self.begin(call).await?;
        let buckets = series::buckets(&mut tx, device, metric, window, wanted).await?;
        tx.commit().await?;
        Ok(Series {
            metric: metric.to_owned(),
            from: Some(values::timestamp(window.from)),
            to: Some(values::timestamp(window.to)),
            buckets,
        })
    }

    async fn report(
        &self,
        call: &Call,
        asked: GetSequenceReportRequest,
    ) -> Result<SequenceReport, Fault> {
        let device = request::device(&asked.device_id)?;
        let mut tx = self.begin(call).await?;
        let report = report::of_epoch(&mut tx, device, asked.epoch).await?;
        tx.commit().await?;
        Ok(report)
    }
}

#[async_trait]
impl TelemetryService for TelemetryApi {
    async fn list_readings(
        &self,
        request: Request<ListReadingsRequest>,
    ) -> Result<Response<ListReadingsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call, request.into_inner()).await.rpc(&call, "list readings")
    }

    async fn get_latest_reading(
        &self,
        request: Request<GetLatestReadingRequest>,
    ) -> Result<Response<Reading>, Status> {
        let call = Call::of(&request);
        self.latest(&call, request.into_inner()).await.rpc(&call, "get the latest reading")
    }

    async fn get_series(
        &self,
        request: Request<GetSeriesRequest>,
    ) -> Result<Response<Series>, Status> {
        let call = Call::of(&request);
        self.series(&call, request.into_inner()).await.rpc(&call, "get a series")
    }

    async fn get_sequence_report(
        &self,
        request: Request<GetSequenceReportRequest>,
    ) -> Result<Response<SequenceReport>, Status> {
        let call = Call::of(&request);
        self.report(&call, request.into_inner()).await.rpc(&call, "report on an epoch")
    }
}
