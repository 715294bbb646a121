//! Calls to another service in this service's own name.

use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use yard_runtime::{ConfigError, trace};

use crate::Identity;

/// A channel that signs every call.
pub type ServiceChannel = InterceptedService<Channel, OwnToken>;

/// Adds this service's token and the trace context.
#[derive(Clone)]
pub struct OwnToken(Identity);

impl Interceptor for OwnToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let token = self.0.token().map_err(|e| Status::internal(e.to_string()))?;
        let bearer: Option<MetadataValue<_>> = format!("Bearer {token}").parse().ok();
        if let Some(bearer) = bearer {
            request.metadata_mut().insert("authorization", bearer);
        }
        if let Some(parent) = trace::current().and_then(|text| text.parse().ok()) {
            request.metadata_mut().insert(trace::TRACEPARENT, parent);
        }
        Ok(request)
    }
}

/// Prepares a channel; it connects at the first call and again after a loss.
///
/// # Errors
/// When the endpoint is no URL. `option` is its name in the configuration.
pub fn channel(
    option: &str,
    endpoint: &str,
    identity: &Identity,
) -> Result<ServiceChannel, ConfigError> {
    let endpoint = plain_endpoint(option, endpoint)?;
    Ok(InterceptedService::new(endpoint.connect_lazy(), OwnToken(identity.clone())))
}

/// An endpoint with our timeouts: 2 s to connect, 10 s for a call.
///
/// # Errors
/// When the text is no URL.
pub fn plain_endpoint(option: &str, endpoint: &str) -> Result<Endpoint, ConfigError> {
    let endpoint = Endpoint::from_shared(endpoint.to_owned())
        .map_err(|e| ConfigError::new(option, format!("{endpoint}: {e}")))?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(10))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_while_idle(true))
}
