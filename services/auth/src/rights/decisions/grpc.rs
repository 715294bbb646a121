use time::OffsetDateTime;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::Severity;
use yard_contracts::rights::v1::decision_service_server::DecisionService;
use yard_fault::Fault;
use yard_pg::{Actor, PlatformTx, TenantTx};

use super::explain::{Question, decision, stated};
use super::route::{self, Step};
use super::store::{self, Event};
use crate::rights::evaluate::Target;
use crate::rights::said::Said;
use crate::rights::{self, Rights, checks, there};

const LONGEST_KIND: usize = 64;

#[async_trait]
impl DecisionService for Rights {
    async fn explain_decision(
        &self,
        request: Request<wire::ExplainDecisionRequest>,
    ) -> Result<Response<wire::Decision>, Status> {
        let call = Call::of(&request);
        self.explain(&call.caller, request.get_ref()).await.rpc(&call, "explain a decision")
    }

    async fn explain_own_decision(
        &self,
        request: Request<wire::ExplainOwnDecisionRequest>,
    ) -> Result<Response<wire::Decision>, Status> {
        let call = Call::of(&request);
        self.explain_own(&call.caller, request.into_inner()).await.rpc(&call, "explain a decision")
    }

    async fn resolve_route(
        &self,
        request: Request<wire::ResolveRouteRequest>,
    ) -> Result<Response<wire::Route>, Status> {
        let call = Call::of(&request);
        self.route(&call.caller, request.get_ref()).await.rpc(&call, "resolve a route")
    }
}

impl Rights {
    async fn explain(
        &self,
        caller: &Caller,
        request: &wire::ExplainDecisionRequest,
    ) -> Result<wire::Decision, Fault> {
        let person = checks::id(&request.principal_id, "/principal_id")?;
        let set = checks::permission(&request.permission)?;
        let department = checks::optional_id(&request.department_id, "/department_id")?;
        let mut tx = self.begin(caller).await?;
        there(rights::store::role_of(&mut tx, person).await?)?;
        let path = path(&mut tx, department).await?;
        let tenant = tx.tenant().uuid();
        let said = Said::of(&mut tx, tenant, person, self.clock.now()).await?;
        tx.commit().await?;
        let target = Target { path, own: request.own };
        let permission = request.permission.as_str();
        Ok(decision(&said, &Question { person, permission, set, target }))
    }

    async fn explain_own(
        &self,
        caller: &Caller,
        request: wire::ExplainOwnDecisionRequest,
    ) -> Result<wire::Decision, Fault> {
        let wire::ExplainOwnDecisionRequest { permission, department_id, own } = request;
        let person = caller.person()?.uuid();
        if caller.break_glass().is_some() {
            checks::permission(&permission)?;
            let until = self.entry_ends(caller).await?;
            return Ok(stated(person, &permission, caller.permissions(), until));
        }
        let principal_id = person.as_hyphenated().to_string();
        let asked = wire::ExplainDecisionRequest { principal_id, permission, department_id, own };
        self.explain(caller, &asked).await
    }

    /// When the entry ends by itself by which a system administrator is in the tenant.
    async fn entry_ends(&self, caller: &Caller) -> Result<Option<OffsetDateTime>, Fault> {
        let Some(session) = caller.session() else { return Ok(None) };
        let mut tx = PlatformTx::begin(&self.pg, &Actor::of_subject(caller.subject())).await?;
        let entered = rights::entered(&mut tx, session.uuid(), self.clock.now()).await?;
        tx.commit().await?;
        Ok(entered.map(|entered| entered.until))
    }

    async fn route(
        &self,
        caller: &Caller,
        request: &wire::ResolveRouteRequest,
    ) -> Result<wire::Route, Fault> {
        let department = checks::named(&request.department_id)?;
        let kind = request.kind.as_str();
        if kind.len() > LONGEST_KIND || kind.contains(char::is_control) {
            return Err(checks::wrong("has to be at most 64 bytes", "/kind"));
        }
        let at = checks::second(request.at.as_ref(), "/at")?;
        let at = at.unwrap_or_else(|| self.clock.now());
        let event = Event { kind, severity: severity(request.severity)?, at };
        let mut tx = self.begin(caller).await?;
        let path = rights::store::path(&mut tx, department).await?;
        tx.commit().await?;
        there(path.first())?;
        let (tenant, actor) = (caller.tenant()?.uuid(), Actor::of_subject(caller.subject()));
        let mut tx = PlatformTx::begin(&self.pg, &actor).await?;
        let on_duty = store::on_duty(&mut tx, tenant, &path, &event).await?;
        let most = i64::try_from(route::MOST_PEOPLE).unwrap_or(i64::MAX);
        let owners = store::owners(&mut tx, tenant, most).await?;
        tx.commit().await?;
        let steps = route::steps(&path, &on_duty, owners);
        Ok(wire::Route { steps: steps.into_iter().map(step).collect() })
    }
}

/// A department with those above it; nothing for none.
async fn path(tx: &mut TenantTx, department: Option<Uuid>) -> Result<Vec<Uuid>, Fault> {
    let Some(department) = department else { return Ok(Vec::new()) };
    let path = rights::store::path(tx, department).await?;
    if path.is_empty() {
        return Err(checks::wrong("there is no such department", "/department_id"));
    }
    Ok(path)
}

fn severity(asked: i32) -> Result<i16, Fault> {
    match Severity::try_from(asked) {
        Ok(Severity::Information) => Ok(1),
        Ok(Severity::Warning) => Ok(2),
        Ok(Severity::Critical | Severity::Unspecified) => Ok(3),
        Err(_unknown) => Err(checks::wrong("is not one of the severities", "/severity")),
    }
}

fn step(step: Step) -> wire::RouteStep {
    let owners = step.position.is_none();
    let people = step.people.into_iter().map(|person| wire::RoutePerson {
        principal_id: person.principal_id.as_hyphenated().to_string(),
        display_name: person.display_name,
    });
    let people = people.collect();
    let Some(place) = step.position else {
        return wire::RouteStep { people, owners, ..wire::RouteStep::default() };
    };
    wire::RouteStep {
        department_id: place.department.as_hyphenated().to_string(),
        position_id: place.position.as_hyphenated().to_string(),
        title: place.title,
        rank: place.rank.into(),
        people,
        owners,
    }
}
