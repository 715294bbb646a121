use std::sync::Arc;

use prost::Message as _;
use serde_json::Value;
use tonic::{Request, Response, Status};
use yard_authn::{Call, RpcResult as _};
use yard_contracts::device::v1 as wire;
use yard_contracts::device::v1::contract_service_server::ContractService;
use yard_contracts::device::v1::{
    Contract, CreateContractRequest, GetContractRequest, ListContractsRequest,
    ListContractsResponse,
};
use yard_contracts::values::{timestamp, to_struct};
use yard_fault::{Code, Fault};
use yard_ids::{Clock, ContractId, IdSource};
use yard_pg::limit::{self, Limit};
use yard_pg::{Actor, Pg, TenantTx, page};

use super::rules::NewContract;
use super::store::{self, Row};
use crate::idempotency::{self, Claim, Key};

/// `ContractService`.
pub(crate) struct Contracts {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
}

#[tonic::async_trait]
impl ContractService for Contracts {
    async fn create_contract(
        &self,
        request: Request<CreateContractRequest>,
    ) -> Result<Response<Contract>, Status> {
        let call = Call::of(&request);
        self.create(&call, request.into_inner()).await.rpc(&call, "create a contract")
    }

    async fn get_contract(
        &self,
        request: Request<GetContractRequest>,
    ) -> Result<Response<Contract>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().contract_id;
        self.get(&call, &id).await.rpc(&call, "read a contract")
    }

    async fn list_contracts(
        &self,
        request: Request<ListContractsRequest>,
    ) -> Result<Response<ListContractsResponse>, Status> {
        let call = Call::of(&request);
        self.list(&call, &request.into_inner()).await.rpc(&call, "list contracts")
    }
}

impl Contracts {
    /// Name and version are the natural key: under whatever idempotency key, asking for the same
    /// contract gives the one that is there.
    async fn create(&self, call: &Call, request: CreateContractRequest) -> Result<Contract, Fault> {
        let key = Key::of(call, "CreateContract", &request.encode_to_vec())?;
        let new = NewContract::of(request)?;
        let mut tx = self.begin(call).await?;
        let (id, now) = (ContractId::from_uuid(self.ids.uuid7()), self.clock.now());
        if let Claim::Again(first) =
            idempotency::claim(key.as_ref(), &mut tx, id.uuid(), now).await?
        {
            let row = store::get(&mut tx, ContractId::from_uuid(first)).await?;
            return row.map(contract).ok_or_else(|| Fault::internal("a contract lost its row"));
        }
        // One that is there is given again also when there may be no other.
        if store::by_name(&mut tx, &new.name, new.version).await?.is_none() {
            limit::hold(&mut tx, call.caller.tenant()?, Limit::Contracts, now).await?;
            if let Some(row) = store::insert(&mut tx, id, &new, now).await? {
                tx.commit().await?;
                return Ok(contract(row));
            }
        }
        // The key's claim goes with the transaction: nothing was made.
        match store::by_name(&mut tx, &new.name, new.version).await? {
            Some(row) if key.is_some() && row.is(&new) => Ok(contract(row)),
            _ => Err(Fault::new(Code::ResourceExists)
                .with_public("A contract of that name and version exists already.")),
        }
    }

    async fn get(&self, call: &Call, id: &str) -> Result<Contract, Fault> {
        let id = id.parse().map_err(|_unreadable| Fault::new(Code::ResourceNotFound))?;
        let mut tx = self.begin(call).await?;
        let row = store::get(&mut tx, id).await?;
        row.map(contract).ok_or_else(|| Fault::new(Code::ResourceNotFound))
    }

    async fn list(
        &self,
        call: &Call,
        request: &ListContractsRequest,
    ) -> Result<ListContractsResponse, Fault> {
        let size = page::size(request.page_size, 100, 500)?;
        let after = match page::parts::<2>(&request.page_token)? {
            None => None,
            Some([name, version]) => {
                let version =
                    version.parse().map_err(|_unreadable| Fault::new(Code::PageTokenInvalid))?;
                Some((name, version))
            }
        };
        let mut tx = self.begin(call).await?;
        let mut rows = store::list(&mut tx, after, size + 1).await?;
        let next_page_token = crate::paging::cut(&mut rows, size, |last| {
            page::token(&[&last.name, &last.version.to_string()])
        });
        let contracts = rows.into_iter().map(contract).collect();
        Ok(ListContractsResponse { contracts, next_page_token })
    }

    async fn begin(&self, call: &Call) -> Result<TenantTx, Fault> {
        let actor = Actor::of_subject(call.caller.subject());
        Ok(TenantTx::begin(&self.pg, call.caller.tenant()?, &actor).await?)
    }
}

fn contract(row: Row) -> Contract {
    let schema = |value: Value| match value {
        Value::Object(object) => Some(to_struct(object)),
        _ => None,
    };
    let metric = |m: super::Metric| wire::Metric { key: m.key, label: m.label, unit: m.unit };
    let command = |kind: super::CommandKind| wire::CommandKind {
        name: kind.name,
        label: kind.label,
        arguments_schema: schema(kind.arguments_schema),
    };
    Contract {
        contract_id: row.id.as_hyphenated().to_string(),
        name: row.name,
        version: row.version,
        telemetry_schema: schema(row.telemetry_schema),
        metrics: row.metrics.0.into_iter().map(metric).collect(),
        commands: row.commands.0.into_iter().map(command).collect(),
        created_at: Some(timestamp(row.created_at)),
    }
}
