//! A PostgreSQL that is reached by TLS.

use std::path::Path;
use std::time::Duration;

use yard_pg::{Pg, PlatformTx, PostgresConfig};
use yard_testkit::{TestDb, TestPapers};

use crate::actor;

fn config(db: &TestDb, ca_file: &Path) -> PostgresConfig {
    let url = db.url("yard_ingest");
    let url = format!("{url}?sslmode=verify-full&sslrootcert={}", ca_file.display());
    PostgresConfig { acquire_timeout: Duration::from_secs(2), ..PostgresConfig::for_test(&url) }
}

#[tokio::test]
async fn req_wifi_40_postgresql_is_asked_by_tls_and_only_if_its_authority_is_ours() {
    let (papers, strangers) = (TestPapers::new(), TestPapers::new());
    let db = TestDb::on_an_encrypted_server(&papers).await;
    let open = |ca_file: &Path| Pg::open(&config(&db, ca_file), "yard_ingest").unwrap();
    let mut tx = PlatformTx::begin(&open(papers.ca_file()), &actor()).await.unwrap();
    let own = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let encrypted: bool = sqlx::query_scalar(own).fetch_one(&mut *tx).await.unwrap();
    assert!(encrypted);
    tx.commit().await.unwrap();

    let refused = PlatformTx::begin(&open(strangers.ca_file()), &actor()).await;
    assert!(refused.is_err(), "an authority that is not its own");
    // A server that offers no TLS is not told the password.
    let plain = TestDb::create().await;
    let plain = Pg::open(&config(&plain, papers.ca_file()), "yard_ingest").unwrap();
    assert!(PlatformTx::begin(&plain, &actor()).await.is_err(), "a server without TLS");
}
