mod store;

use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::settings::SECRET;
use crate::resealing::SealedRows;

/// Secrets that the platform is a client of providers by.
pub(super) struct ClientSecrets;

impl SealedRows for ClientSecrets {
    const PURPOSE: &'static str = SECRET;
    const TASK: &'static str = "identity providers";

    async fn kids(tx: &mut PlatformTx) -> Result<Vec<String>, PgError> {
        store::sealing_kids(tx).await
    }

    async fn sealed_before(
        tx: &mut PlatformTx,
        kid: &str,
        most: i64,
    ) -> Result<Vec<(Uuid, Vec<u8>)>, PgError> {
        store::sealed_before(tx, kid, most).await
    }

    async fn replace(tx: &mut PlatformTx, id: Uuid, sealed: &[u8]) -> Result<(), PgError> {
        store::reseal(tx, id, sealed).await
    }
}
