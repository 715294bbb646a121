use tonic::{Request, Response, Status, async_trait};
use yard_authn::Verifier;
use yard_contracts::identity::v1::key_service_server::KeyService;
use yard_contracts::identity::v1::{GetKeySetRequest, KeySet};

use super::key_set;

/// Serves `KeyService`.
pub(crate) struct KeysGrpc {
    pub(crate) verifier: Verifier,
}

#[async_trait]
impl KeyService for KeysGrpc {
    async fn get_key_set(
        &self,
        _request: Request<GetKeySetRequest>,
    ) -> Result<Response<KeySet>, Status> {
        Ok(Response::new(key_set(self.verifier.issuer_keys())))
    }
}
