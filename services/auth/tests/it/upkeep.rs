//! What is over stays for a while and is then taken out, without a word to anybody.

use std::time::Duration;

use time::Duration as Span;
use yard_contracts::identity::v1::LogoutRequest;
use yard_testkit::{eventually, logs};

use crate::support::{Auth, bearer};

const SOON: Duration = Duration::from_secs(30);

/// Rows of what upkeep looks at, made as if they had ended at the start of the clock.
const ENDED: &str = "
    insert into platform.claim_codes (code_hash, tenant_id, device_id, created_by, created_at, expires_at)
        select sha256('code'), t.id, pr.id, '', '2026-03-01', '2026-03-01 12:00Z'
        from platform.tenants t, platform.principals pr where t.slug = 'acme' limit 1;
    insert into platform.person_links (token_hash, kind, principal_id, email, created_at, expires_at)
        select sha256('link'), 'password-reset', principal_id, email, '2026-03-01', '2026-03-01 12:00Z'
        from platform.people where email = 'viewer@example.org';
    insert into platform.email_changes
        (principal_id, new_email, old_token_hash, new_token_hash, created_at, expires_at)
        select principal_id, 'x@y.test', sha256('old'), sha256('new'), '2026-03-01', '2026-03-01 12:00Z'
        from platform.people where email = 'viewer@example.org';
    insert into platform.mails
        (id, kind, created_at, expires_at, next_attempt_at, ended_at, outcome)
        values (gen_random_uuid(), 'invitation', '2026-03-01', '2026-03-08', '2026-03-01',
            '2026-03-01 12:00Z', 'sent');
    insert into platform.invitations
        (id, tenant_id, email, role, token_hash, invited_by, created_at, mailed_at, expires_at)
        select gen_random_uuid(), t.id, 'x@y.test', 'viewer', sha256('inv'), p.principal_id,
            '2026-02-22', '2026-02-22', '2026-03-01 12:00Z'
        from platform.tenants t, platform.people p
        where t.slug = 'acme' and p.email = 'owner@example.org'";

const COUNTS: &str = "select (select count(*) from platform.sessions), \
    (select count(*) from platform.claim_codes), (select count(*) from platform.person_links), \
    (select count(*) from platform.email_changes), (select count(*) from platform.mails), \
    (select count(*) from platform.invitations)";

/// Starts the service anew, whose first look comes at once, with its clock set ahead.
async fn later(auth: Auth, span: Span) -> Auth {
    auth.clock.advance(span);
    auth.restart_with(async |_engines| {}).await.unwrap()
}

async fn await_counts(auth: &Auth, wanted: &str) {
    eventually(SOON, || async {
        let found = auth.db.sql(COUNTS).await;
        if found.trim() == wanted { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_kept_for_its_time_and_then_taken_out() {
    let log = logs::capture();
    // The clock is set ahead of what the feed last signed.
    log.expect("key set was refused");
    let auth = Auth::start().await;
    // Two sessions of an hour each; one ends early.
    auth.session("viewer@example.org", "").await;
    let access = auth.access("owner@example.org", "").await;
    auth.sessions().logout(bearer(LogoutRequest {}, &access)).await.unwrap();
    auth.db.sql(ENDED).await;
    await_counts(&auth, "2|1|1|1|1|1").await;
    let told = "select count(*) from platform.revocations where kind = 'session'";
    assert_eq!(auth.db.sql(told).await.trim(), "1");

    // At the edge nothing goes, behind it everything that is kept for 30 days.
    let auth = later(auth, Span::days(30)).await;
    let fresh = auth.session("viewer@example.org", "").await;
    await_counts(&auth, "3|1|1|1|1|1").await;
    let auth = later(auth, Span::hours(1) + Span::seconds(1)).await;
    await_counts(&auth, "1|0|0|0|0|1").await;
    assert!(auth.exchange(&fresh).await.is_err(), "its hour is over, and it is still there");
    // Sessions whose end was known to everybody are no news.
    assert_eq!(auth.db.sql(told).await.trim(), "1");
    let auth = later(auth, Span::days(60)).await;
    await_counts(&auth, "0|0|0|0|0|0").await;
    auth.finish().await;
}
