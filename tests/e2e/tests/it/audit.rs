//! The audit trail through the public door: what services tell by the stream becomes entries, and
//! an export is checked by the operators' tool with nothing but the public key.

use std::time::Duration;

use serde_json::{Value, json};
use yard_e2e::client::Client;
use yard_e2e::platform::{PASSWORD, Platform};
use yard_testkit::eventually;

const SOON: Duration = Duration::from_secs(20);

/// The lines of a stream of events, without those that only keep it alive.
fn lines(answer: &str) -> Vec<String> {
    answer.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

async fn find(client: &Client, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit/events?{query}");
    let found = client.expect("GET", &path, None).await.unwrap();
    found["events"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audited_calls_of_other_services_are_exported_and_verified_offline() {
    let platform = Platform::start().await.expect("the platform starts");
    let base = platform.base_url();
    let owner = Client::sign_in(&base, "owner@a.test", PASSWORD).await.unwrap();
    let bob = Client::sign_in(&base, "owner@b.test", PASSWORD).await.unwrap();
    let contract = json!({
        "name": "audited", "version": 1, "telemetry_schema": {"type": "object"},
        "metrics": [], "commands": [],
    });
    let made = owner.expect("POST", "/api/v1/contracts", Some(&contract)).await.unwrap();
    let again = owner.call("POST", "/api/v1/contracts", Some(&contract)).await.unwrap();
    assert_eq!(again.status, 409);

    let created = "action=yard.device.v1.ContractService/CreateContract";
    let found = eventually(SOON, || async {
        let found = find(&owner, created).await;
        (found.len() == 2).then_some(found)
    })
    .await;
    // Newest first: the second try was refused.
    assert_eq!(found[0]["outcome"], "resource.exists");
    assert_eq!(found[1]["outcome"], "ok");
    assert_eq!(found[1]["object_type"], "contract");
    assert_eq!(found[1]["object_id"], made["contract_id"]);
    assert_eq!(found[1]["service"], "device-ingest");
    assert_eq!(found[1]["personal"]["email"], "owner@a.test");
    assert_eq!(found[1]["address_prefix"], "127.0.0.0/24");
    assert!(find(&bob, created).await.is_empty());
    let instance = again.json["instance"].as_str().unwrap();
    let by_incident = find(&owner, &format!("incident={instance}")).await;
    assert_eq!(by_incident.len(), 1, "{instance}");

    // Signed once a second here.
    let status = eventually(SOON, || async {
        let status = owner.expect("GET", "/api/v1/audit/status", None).await.ok()?;
        (status["anchored_sequence"].as_i64()? >= 3).then_some(status)
    })
    .await;
    assert_eq!(status["problem"], "");
    let answer = owner.call("GET", "/api/v1/audit/export", None).await.unwrap();
    let exported = lines(&answer.bytes);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.ndjson");
    std::fs::write(&file, exported.join("\n") + "\n").unwrap();
    let found = yard::audit::check_file(&file, &platform.pki("audit-keys.json"), None).unwrap();
    assert!(found.entries >= 3 && found.roots >= 1, "{found:?}");
    assert_eq!(found.chain, owner.expect("GET", "/api/v1/me", None).await.unwrap()["tenant_id"]);

    let text = exported.join("\n");
    std::fs::write(&file, text.replace("resource.exists", "resource.stale")).unwrap();
    let refused =
        yard::audit::check_file(&file, &platform.pki("audit-keys.json"), None).unwrap_err();
    assert!(refused.to_string().contains("its hash is not that of its content"), "{refused}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_refuses_is_told_to_the_tenant_of_the_caller() {
    let platform = Platform::start().await.expect("the platform starts");
    let base = platform.base_url();
    let owner = Client::sign_in(&base, "owner@a.test", PASSWORD).await.unwrap();
    let viewer = Client::sign_in(&base, "viewer@a.test", PASSWORD).await.unwrap();
    let device = json!({"name": "no", "contract_id": "0190a6f2-7c2a-7b52-9c11-000000000001"});
    let refused = viewer.call("POST", "/api/v1/devices", Some(&device)).await.unwrap();
    assert_eq!(refused.status, 403);
    let found = eventually(SOON, || async {
        let found = find(&owner, "kind=AUDIT_KIND_DENIAL").await;
        (found.len() == 1).then_some(found)
    })
    .await;
    assert_eq!(found[0]["service"], "api-gateway");
    assert_eq!(found[0]["outcome"], "auth.forbidden");
    assert_eq!(found[0]["action"], "yard.device.v1.DeviceService/CreateDevice");
    assert_eq!(found[0]["incident"], refused.json["instance"]);
    assert_eq!(found[0]["personal"]["email"], "viewer@a.test");
    platform.stop().await;
}
