//! A tenant's export: whole, of one moment, without secrets, and what a closing goes by.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use tonic::Status;
use tonic::transport::Channel;
use yard_contracts::identity::v1::CreateApiTokenRequest;
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::tenancy::v1::TenantState;
use yard_contracts::tenancy::v1::organization_service_client::OrganizationServiceClient;
use yard_export::{Checker, Verified};
use yard_fault::Code;
use yard_ids::Clock as _;
use yard_testkit::{eventually, logs};

use crate::support::{Auth, bearer, code};
use crate::tenancy::Operator;

async fn begin(auth: &Auth, token: &str) -> Result<tonic::Streaming<wire::ExportChunk>, Status> {
    let channel: Channel = auth.channel();
    let request = bearer(wire::ExportOrganizationRequest {}, token);
    Ok(OrganizationServiceClient::new(channel).export_organization(request).await?.into_inner())
}

async fn rest(mut chunks: tonic::Streaming<wire::ExportChunk>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(chunk) = chunks.next().await {
        lines.extend(chunk.unwrap().lines);
    }
    lines
}

async fn lines(auth: &Auth, token: &str) -> Vec<String> {
    rest(begin(auth, token).await.unwrap()).await
}

fn verified(lines: &[String]) -> Verified {
    let mut checker = Checker::default();
    for line in lines {
        checker.line(line).unwrap();
    }
    checker.finish().unwrap()
}

fn rows(lines: &[String], relation: &str) -> Vec<Value> {
    let read = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    read.filter(|line| line["relation"] == relation).map(|line| line["row"].clone()).collect()
}

/// Schema of a tenant with one contract, `devices` devices and `readings` readings of the first.
async fn fill(auth: &Auth, slug: &str, devices: u32, readings: u32) {
    let tenant = auth.tenant(slug).await;
    let own = format!("ts_{}", tenant.uuid().as_simple());
    let sql = format!(
        "insert into {own}.contracts values (gen_random_uuid(), '{tenant}', 'same-name', 1, '{{}}', \
           '{{}}', '{{}}', now()); \
         insert into {own}.devices (id, tenant_id, name, contract_id, created_at, updated_at) \
           select gen_random_uuid(), '{tenant}', 'device-of-{slug}-' || n, c.id, now(), now() \
           from {own}.contracts c, generate_series(1, {devices}) n; \
         insert into series.telemetry (tenant_id, device_id, occurred_at, message_id, received_at, \
           epoch, sequence, payload) \
           select '{tenant}', (select min(id::text)::uuid from {own}.devices), \
             now() - n * interval '1 minute', gen_random_uuid(), now(), 1, n, \
             jsonb_build_object('canary', '{slug}', 'text', E'two\\nlines') \
           from generate_series(1, {readings}) n"
    );
    auth.db.sql(&sql).await;
}

async fn token(auth: &Auth, access: &str) -> String {
    let request = CreateApiTokenRequest {
        name: "robot".to_owned(),
        abilities: vec!["devices.read".to_owned()],
        expires_in_days: 0,
    };
    auth.tokens().create_api_token(bearer(request, access)).await.unwrap().into_inner().secret
}

#[tokio::test]
async fn export_holds_all_that_is_the_tenants_and_nothing_of_another() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    fill(&auth, "acme", 450, 700).await;
    fill(&auth, "byte", 3, 3).await;
    let owner = auth.access("owner@example.org", "acme").await;
    let secret = token(&auth, &owner).await;
    let lines = lines(&auth, &owner).await;
    let Verified { header, manifest } = verified(&lines);
    assert_eq!(header.slug, "acme");
    assert_eq!(rows(&lines, "tenant.devices").len(), 450, "more than one fetch");
    let readings = rows(&lines, "series.telemetry");
    assert_eq!(readings.len(), 700);
    assert_eq!(readings[0]["payload"]["text"], "two\nlines");
    assert_eq!(rows(&lines, "platform.tenants").len(), 1);
    let members = rows(&lines, "platform.memberships");
    let mails: Vec<_> = members.iter().filter_map(|row| row["email"].as_str()).collect();
    assert!(members.len() == 4 && mails.contains(&"owner@example.org"), "{mails:?}");
    assert_eq!(rows(&lines, "platform.api_tokens")[0]["name"], "robot");

    let text = lines.join("\n");
    assert!(!text.contains("device-of-byte") && !text.contains("bob@"), "another tenant's");
    assert!(!text.contains(&auth.tenant("byte").await.to_string()), "another tenant's");
    for hidden in ["token_hash", "password", "argon2", secret.split('_').nth(2).unwrap()] {
        assert!(!text.contains(hidden), "{hidden} is in the export");
    }
    let left: Vec<_> = manifest.left_out.iter().map(|left| left.relation.as_str()).collect();
    assert!(left.contains(&"platform.sessions") && left.contains(&"platform.audit_events"));
    auth.finish().await;
}

#[tokio::test]
async fn export_is_of_the_moment_at_which_it_began() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    fill(&auth, "acme", 3, 900).await;
    let owner = auth.access("owner@example.org", "acme").await;
    let mut chunks = begin(&auth, &owner).await.unwrap();
    let first = chunks.next().await.unwrap().unwrap().lines;
    auth.db.sql("delete from series.telemetry").await;
    let lines: Vec<_> = first.into_iter().chain(rest(chunks).await).collect();
    verified(&lines);
    assert_eq!(rows(&lines, "series.telemetry").len(), 900);
    auth.finish().await;
}

#[tokio::test]
async fn only_an_owner_with_a_fresh_proof_exports_and_two_at_once_at_most() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let operator = auth.access("operator@example.org", "acme").await;
    let refused = begin(&auth, &operator).await.map(tonic::Response::new);
    assert_eq!(code(refused), Some(Code::AuthForbidden));
    let owner = auth.access("owner@example.org", "acme").await;
    // Large enough that what is under way has not been read to its end by the buffers.
    fill(&auth, "acme", 3_000, 3_000).await;
    let (one, two) = (begin(&auth, &owner).await.unwrap(), begin(&auth, &owner).await.unwrap());
    let third = begin(&auth, &owner).await.map(tonic::Response::new);
    assert_eq!(code(third), Some(Code::ServiceOverloaded));
    drop(one);
    eventually(Duration::from_secs(10), || async { begin(&auth, &owner).await.is_ok() }).await;
    drop(two);
    let unfinished = auth.db.sql("select count(*) from platform.tenant_exports").await;
    assert_eq!(unfinished.trim(), "0", "what broke off is no export");
    auth.finish().await;
}

#[tokio::test]
async fn closing_goes_by_a_finished_export_of_the_last_day() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    fill(&auth, "acme", 3, 3).await;
    let owner = auth.access("owner@example.org", "acme").await;
    let bob = auth.access("bob@example.org", "byte").await;
    let foreign = verified(&lines(&auth, &bob).await).manifest.digest;
    let digest = verified(&lines(&auth, &owner).await).manifest.digest;
    let taken = auth.clock.now();
    let id = auth.tenant("acme").await.to_string();
    let operator = Operator::of(&auth).await;
    assert_eq!(operator.suspend(&id).await, None);
    let missing = Some(Code::TenantExportMissing);
    assert_eq!(operator.close_by(&id, "acme", "", false).await, missing);
    assert_eq!(operator.close_by(&id, "acme", &foreign, false).await, missing);
    assert_eq!(operator.close_by(&id, "acme", &"0".repeat(64), false).await, missing);
    let both = operator.close_by(&id, "acme", &digest, true).await;
    assert_eq!(both, Some(Code::RequestInvalid));
    auth.db
        .sql("update platform.tenant_exports set finished_at = finished_at - interval '24h 1s'")
        .await;
    assert_eq!(operator.close_by(&id, "acme", &digest, false).await, missing);
    auth.db.sql(&format!("update platform.tenant_exports set finished_at = '{taken}'::timestamptz - interval '24h'")).await;
    assert_eq!(operator.close_by(&id, "acme", &digest, false).await, None);
    operator.in_state(&id, TenantState::Closed).await;
    assert_eq!(operator.proof(&id).await.export_digest, digest);
    auth.finish().await;
}

#[tokio::test]
async fn closing_without_an_export_stands_in_the_audit_trail() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let id = auth.tenant("acme").await.to_string();
    let operator = Operator::of(&auth).await;
    assert_eq!(operator.suspend(&id).await, None);
    assert_eq!(operator.close_by(&id, "acme", "", true).await, None);
    eventually(Duration::from_secs(10), || async {
        let found = auth
            .db
            .sql(
                "select count(*) from platform.audit_events where action like '%/CloseTenant' \
                  and 'without_export' = any (changed_fields)",
            )
            .await;
        // In the platform's chain, and a copy in the tenant's.
        found.trim() == "2"
    })
    .await;
    operator.in_state(&id, TenantState::Closed).await;
    auth.finish().await;
}

#[tokio::test]
async fn table_that_nobody_spoke_of_is_left_out_and_named() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let tenant = auth.tenant("acme").await;
    auth.db
        .sql(&format!(
            "create table platform.strange (tenant_id uuid, secret text); \
             alter table platform.strange owner to yard_owner; \
             insert into platform.strange values ('{tenant}', 'canary-of-strange')"
        ))
        .await;
    let owner = auth.access("owner@example.org", "acme").await;
    let lines = lines(&auth, &owner).await;
    assert!(!lines.join("\n").contains("canary-of-strange"));
    let left = verified(&lines).manifest.left_out;
    let strange = left.iter().find(|left| left.relation == "platform.strange").unwrap();
    assert_eq!(strange.reason, "nobody has said that it may leave");
    auth.finish().await;
}
