use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::{PURPOSE, store};
use crate::resealing::SealedRows;

/// Secrets of authenticator apps.
pub(crate) struct AppSecrets;

impl SealedRows for AppSecrets {
    const PURPOSE: &'static str = PURPOSE;
    const TASK: &'static str = "second factors";

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
