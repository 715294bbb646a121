use std::time::Duration;

use yard_authn::seal::Sealer;
use yard_fault::Fault;
use yard_pg::{Actor, Pg, PlatformTx};

use super::{SECRET, store};

const LOOK: Duration = Duration::from_secs(300);
/// Secrets that are sealed anew in one transaction.
const MOST: i64 = 200;

/// Seals anew what an older key than the active one sealed, so that the older one can go.
pub(super) async fn reseal(pg: Pg, sealer: Sealer) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(fault) = reseal_all(&pg, &sealer).await {
            let (code, problem) = (fault.code().as_str(), fault.inside());
            tracing::warn!(code, problem, "secrets could not be sealed anew; trying again");
        }
    }
}

async fn reseal_all(pg: &Pg, sealer: &Sealer) -> Result<(), Fault> {
    loop {
        let mut tx = PlatformTx::begin(pg, &Actor::service("comms-websocket")).await?;
        let old = store::sealed_before(&mut tx, &sealer.active(), MOST).await?;
        if old.is_empty() {
            return Ok(());
        }
        for (id, sealed) in old {
            if let Some(anew) = sealer.reseal(SECRET, id.as_bytes(), &sealed)? {
                store::reseal(&mut tx, id, &anew).await?;
            }
        }
        tx.commit().await?;
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use time::OffsetDateTime;
    use yard_authn::seal::kid_of;
    use yard_contracts::realtime::v1::RealtimeApp;
    use yard_ids::{IdSource as _, RandomIds, TenantId};
    use yard_pg::TenantTx;
    use yard_testkit::{TestDb, TestFolder};

    use super::*;
    use crate::app::store::{Row, SecretRow};
    use crate::app::wishes;

    #[tokio::test]
    async fn secret_of_an_older_key_is_sealed_anew_and_stays_what_it_is() {
        let (db, folder) = (TestDb::create().await, TestFolder::new("upkeep"));
        let tenant = db.tenant(TenantId::from_uuid(RandomIds.uuid7()), "shop").await;
        let line = |kid: &str, byte: u8| format!("{kid}:{}\n", STANDARD.encode([byte; 32]));
        let sealer = |lines: &str| {
            let file = folder.join("sealing.key");
            std::fs::write(&file, lines).unwrap();
            Sealer::load(&file).unwrap()
        };
        let old = sealer(&line("k1", 1));
        let both = sealer(&(line("longer-id", 2) + &line("k1", 1)));
        let (pg, actor, id) = (db.pg("yard_comms"), Actor::service("test"), RandomIds.uuid7());
        let wish = RealtimeApp { name: "x".to_owned(), ..RealtimeApp::default() };
        let created_at = OffsetDateTime::UNIX_EPOCH;
        let (number, key) = (1_234_567_890, "0123456789abcdef0123".to_owned());
        let row = Row { number, key: key.clone(), ..wishes::read(wish, created_at).unwrap() };
        let mut tx = TenantTx::begin(&pg, tenant, &actor).await.unwrap();
        store::insert(&mut tx, &row, "service:test").await.unwrap();
        let secret = SecretRow { id, app: number, created_at };
        let sealed = old.seal(SECRET, id.as_bytes(), b"the secret").unwrap();
        assert!(store::add_secret(&mut tx, &secret, &sealed).await.unwrap());
        tx.commit().await.unwrap();

        for _ in 0..2 {
            reseal_all(&pg, &both).await.unwrap();
            let mut tx = PlatformTx::begin(&pg, &actor).await.unwrap();
            let found = store::find(&mut tx, std::slice::from_ref(&key), &[]).await.unwrap();
            let sealed = &found[0].sealed[0];
            assert_eq!((kid_of(sealed), found[0].open), (Some("longer-id"), true));
            assert_eq!(both.open(SECRET, id.as_bytes(), sealed).unwrap(), b"the secret");
        }
    }
}
