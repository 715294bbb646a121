//! RPCs between services have no route; they are tried on the service's own port.

use anyhow::Context as _;
use prost_reflect::MethodDescriptor;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use yard_contracts::policy::MethodPolicy;

use crate::platform::Platform;

/// What an internal method answers to nobody and to a person; both have to be refusals.
pub(super) async fn refusals(
    platform: &Platform,
    rpc: &MethodDescriptor,
    policy: &MethodPolicy,
) -> anyhow::Result<[Code; 2]> {
    let port = platform.grpc_port(&policy.owner).context("the owner has a port")?;
    let person = platform.person_token()?;
    Ok([call(port, rpc, None).await?, call(port, rpc, Some(&person)).await?])
}

async fn call(port: u16, rpc: &MethodDescriptor, token: Option<&str>) -> anyhow::Result<Code> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
    let mut grpc = Grpc::new(endpoint.connect().await?);
    grpc.ready().await?;
    // Any request message will do: who calls is judged before what is asked.
    let mut request = Request::new(yard_contracts::identity::v1::GetMeRequest {});
    if let Some(token) = token {
        let bearer: MetadataValue<_> = format!("Bearer {token}").parse()?;
        request.metadata_mut().insert("authorization", bearer);
    }
    let path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()).parse()?;
    let codec: tonic_prost::ProstCodec<_, yard_contracts::identity::v1::GetMeRequest> =
        tonic_prost::ProstCodec::default();
    Ok(match grpc.unary(request, path, codec).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    })
}
