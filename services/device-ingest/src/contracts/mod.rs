//! Contracts: what a kind of device says and accepts. A version never changes once made, so what
//! is compiled from it is right for ever.

mod grpc;
mod rules;
mod schema;
mod store;

pub(crate) use grpc::Contracts;
pub(crate) use schema::{CompiledContract, escape, shorten};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use yard_fault::Fault;

/// Something of the schema that can be drawn, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) unit: String,
}

/// A command that the device takes, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CommandKind {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) arguments_schema: Value,
}

/// Names and schemas of the stored commands of a contract.
pub(crate) fn stored_schemas(commands: &Value) -> Result<Vec<(String, Value)>, Fault> {
    let kinds = Vec::<CommandKind>::deserialize(commands)
        .map_err(|e| Fault::internal("stored commands of a contract").with_source(e))?;
    Ok(kinds.into_iter().map(|kind| (kind.name, kind.arguments_schema)).collect())
}
