//! Channels to the services behind the gateway, and the two ways to call them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use prost_reflect::DynamicMessage;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Extensions, Request, Response, Status, Streaming};
use yard_authn::server::LARGEST_MESSAGE;
use yard_runtime::ConfigError;

use super::codec::DynamicCodec;
use super::rule::Rpc;
use crate::config::UpstreamsConfig;

/// Where reading an answer stops. What is between this and the platform's own limit is answered as
/// our fault, where the caller would else be told that the request was too large.
const LARGEST_READ: usize = 4 * LARGEST_MESSAGE;

/// One channel for each service that answers a route. They connect at the first call.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams(HashMap<String, Channel>);

impl Upstreams {
    pub(crate) fn connect(
        config: &UpstreamsConfig,
        owners: &BTreeSet<&str>,
    ) -> Result<Self, ConfigError> {
        let mut channels = HashMap::new();
        for owner in owners {
            let (option, url) = config.of(owner).ok_or_else(|| {
                ConfigError::new("upstreams", format!("the contract has a service {owner}"))
            })?;
            let endpoint = yard_authn::client::plain_endpoint(option, url)?;
            channels.insert((*owner).to_owned(), endpoint.connect_lazy());
        }
        Ok(Self(channels))
    }

    /// The channel of a service.
    pub(crate) fn of(&self, owner: &str) -> Result<Channel, Status> {
        let channel = self.0.get(owner).cloned();
        channel.ok_or_else(|| Status::internal(format!("no channel for {owner}")))
    }

    /// One message for one message. The service behind is told the deadline.
    pub(super) async fn unary(
        &self,
        rpc: &Rpc,
        message: DynamicMessage,
        metadata: MetadataMap,
        deadline: Duration,
    ) -> Result<Response<DynamicMessage>, Status> {
        let mut request = Request::from_parts(metadata, Extensions::default(), message);
        request.set_timeout(deadline);
        let call = async {
            let mut grpc = self.ready(rpc).await?;
            grpc.unary(request, rpc.path.clone(), codec(rpc)).await
        };
        match tokio::time::timeout(deadline, call).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Status::deadline_exceeded("no answer in time")),
        }
    }

    /// One message for many, for as long as the caller listens. It has to begin before
    /// the deadline.
    pub(super) async fn stream(
        &self,
        rpc: &Rpc,
        message: DynamicMessage,
        metadata: MetadataMap,
        deadline: Duration,
    ) -> Result<Streaming<DynamicMessage>, Status> {
        let request = Request::from_parts(metadata, Extensions::default(), message);
        let call = async {
            let mut grpc = self.ready(rpc).await?;
            grpc.server_streaming(request, rpc.path.clone(), codec(rpc)).await
        };
        match tokio::time::timeout(deadline, call).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_elapsed) => Err(Status::deadline_exceeded("no answer in time")),
        }
    }

    async fn ready(&self, rpc: &Rpc) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.of(&rpc.owner)?).max_decoding_message_size(LARGEST_READ);
        grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
        Ok(grpc)
    }
}

fn codec(rpc: &Rpc) -> DynamicCodec {
    DynamicCodec { answer: rpc.descriptor.output() }
}
