//! REST calls as the services behind see them, and their answers.

use reqwest::Method;
use serde_json::{Value as Json, json};
use tonic::Status;
use yard_contracts::device::v1::{
    CreateDeviceRequest, Device, GetDeviceRequest, ListDevicesRequest, ListDevicesResponse,
    ListQuarantineResponse, Presence, QuarantinedMessage, UpdateDeviceRequest,
};
use yard_contracts::realtime::v1::{AuthorizeChannelRequest, AuthorizeChannelResponse};
use yard_fault::{Code, Fault};

use crate::support::{ADMIN, DEVICE, Fixture, OWNER, VIEWER, problem};

fn device() -> Device {
    Device {
        device_id: DEVICE.to_owned(),
        name: "Pump".to_owned(),
        labels: [("hall".to_owned(), "3".to_owned())].into(),
        presence: Presence::Online.into(),
        created_at: Some(prost_types::Timestamp { seconds: 1_767_323_045, nanos: 250_000_000 }),
        ..Device::default()
    }
}

#[tokio::test]
async fn answer_has_contract_names_and_zero_values() {
    let gateway = Fixture::start().await;
    gateway.services.answers("get_device", &device());
    let path = format!("/api/v1/devices/{DEVICE}");
    let response = gateway.signed(Method::GET, &path, VIEWER).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let expected = json!({
        "device_id": DEVICE, "name": "Pump", "external_id": "", "contract_id": "",
        "labels": {"hall": "3"}, "presence": "PRESENCE_ONLINE",
        "created_at": "2026-01-02T03:04:05.25Z",
    });
    assert_eq!(response.json::<Json>().await.unwrap(), expected);
    let seen = gateway.services.last("get_device");
    assert_eq!(seen.message::<GetDeviceRequest>().device_id, DEVICE);
    let head = gateway.signed(Method::HEAD, &path, VIEWER).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
}

#[tokio::test]
async fn services_get_identity_trace_client_address_and_deadline() {
    let gateway = Fixture::with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    })
    .await;
    gateway.services.answers("create_device", &device());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = gateway
        .signed(Method::POST, "/api/v1/devices", OWNER)
        .header("idempotency-key", "key-1")
        .header("traceparent", trace)
        .header("x-forwarded-for", "203.0.113.9")
        .header("yard-client-ip", "6.6.6.6")
        .header("x-custom", "stays outside")
        .json(&json!({"name": "Pump", "contract_id": DEVICE, "labels": {"a": "b"}}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let seen = gateway.services.last("create_device");
    let message = seen.message::<CreateDeviceRequest>();
    assert_eq!((message.name.as_str(), message.labels["a"].as_str()), ("Pump", "b"));
    assert!(seen.text("authorization").unwrap().starts_with("Bearer ey"));
    assert_eq!(seen.text("idempotency-key"), Some("key-1"));
    assert_eq!(seen.text("yard-client-ip"), Some("203.0.113.9"));
    assert_eq!(seen.text("x-custom"), None);
    assert!(seen.text("traceparent").unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(seen.text("grpc-timeout"), Some("10000000u"));
}

#[tokio::test]
async fn query_and_field_mask_reach_the_service() {
    let gateway = Fixture::start().await;
    gateway.services.answers("list_devices", &ListDevicesResponse::default());
    gateway.services.answers("update_device", &device());
    let path = "/api/v1/devices?page_size=5&name_prefix=Pu%20m&presence=PRESENCE_STALE";
    let list = gateway.signed(Method::GET, path, OWNER).send().await.unwrap();
    let expected = json!({"devices": [], "next_page_token": "", "total_size": 0});
    assert_eq!(list.json::<Json>().await.unwrap(), expected);
    let message = gateway.services.last("list_devices").message::<ListDevicesRequest>();
    assert_eq!((message.page_size, message.name_prefix.as_str()), (5, "Pu m"));
    assert_eq!(message.presence(), Presence::Stale);

    let path = format!("/api/v1/devices/{DEVICE}");
    let patch = gateway.signed(Method::PATCH, &path, OWNER).json(&json!({"name": "New"}));
    assert_eq!(patch.send().await.unwrap().status(), 200);
    let message = gateway.services.last("update_device").message::<UpdateDeviceRequest>();
    assert_eq!(message.update_mask.unwrap().paths, ["name"]);
    let sent = message.device.unwrap();
    assert_eq!((sent.device_id.as_str(), sent.name.as_str()), (DEVICE, "New"));
}

#[tokio::test]
async fn form_of_a_pusher_client_reaches_the_service() {
    let gateway = Fixture::start().await;
    let answer =
        AuthorizeChannelResponse { auth: "key:sig".to_owned(), channel_data: String::new() };
    gateway.services.answers("authorize_channel", &answer);
    let form = gateway
        .browser(Method::POST, "/broadcasting/auth", VIEWER)
        .form(&[("socket_id", "1.2"), ("channel_name", "private-organization.x")]);
    let body: Json = form.send().await.unwrap().json().await.unwrap();
    assert_eq!(body, json!({"auth": "key:sig", "channel_data": ""}));
    let message = gateway.services.last("authorize_channel").message::<AuthorizeChannelRequest>();
    assert_eq!(
        (message.socket_id.as_str(), message.channel_name.as_str()),
        ("1.2", "private-organization.x")
    );
}

#[tokio::test]
async fn bytes_are_base64() {
    let gateway = Fixture::start().await;
    let message = QuarantinedMessage { payload: vec![255, 0], ..QuarantinedMessage::default() };
    let answer = ListQuarantineResponse { messages: vec![message], next_page_token: String::new() };
    gateway.services.answers("list_quarantine", &answer);
    let path = format!("/api/v1/devices/{DEVICE}/quarantine");
    let body: Json =
        gateway.signed(Method::GET, &path, OWNER).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["messages"][0]["payload"], "/wA=");
}

#[tokio::test]
async fn every_fault_keeps_code_words_pointer_and_incident() {
    let gateway = Fixture::start().await;
    for code in Code::ALL {
        let fault = Fault::new(*code).with_public("words").with_pointer("/name");
        gateway.services.refuses("get_device", fault.to_status("incident-7"));
        let path = format!("/api/v1/devices/{DEVICE}");
        let response = gateway.signed(Method::GET, &path, OWNER).send().await.unwrap();
        let retry = response.headers().contains_key("retry-after");
        let status = code.class().http_status();
        assert_eq!(retry, matches!(status, 429 | 503), "{}", code.as_str());
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
        let body = problem(response, status, code.as_str()).await;
        assert_eq!((&body["detail"], &body["pointer"]), (&json!("words"), &json!("/name")));
        assert_eq!(body["instance"], "incident-7");
    }
}

#[tokio::test]
async fn foreign_status_shows_nothing_of_the_inside() {
    let gateway = Fixture::start().await;
    gateway.log.expect("secret");
    let path = format!("/api/v1/devices/{DEVICE}");
    for (status, expected, code) in [
        (Status::internal("relation secret"), 500, "internal"),
        (Status::unknown("panic secret"), 500, "internal"),
        (Status::deadline_exceeded("secret"), 504, "service.timeout"),
        (Status::out_of_range("secret"), 413, "request.too_large"),
        (Status::unavailable("secret"), 503, "service.unavailable"),
    ] {
        gateway.services.refuses("get_device", status);
        let response = gateway.signed(Method::GET, &path, OWNER).send().await.unwrap();
        let body = problem(response, expected, code).await;
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn service_that_is_not_there_is_unavailable() {
    let gateway = Fixture::with(|c| c.upstreams.scheduler = "http://127.0.0.1:1".to_owned()).await;
    gateway.log.expect("tcp connect error");
    let request = gateway.signed(Method::GET, "/api/ops/v1/leadership", ADMIN);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "2");
    problem(response, 503, "service.unavailable").await;
}

#[tokio::test]
async fn policy_is_asked_before_any_service() {
    let gateway = Fixture::start().await;
    let send = |method, path, session| gateway.signed(method, path, session).send();
    let response = send(Method::POST, "/api/v1/devices", VIEWER).await.unwrap();
    problem(response, 403, "auth.forbidden").await;
    let response = send(Method::GET, "/api/v1/devices", ADMIN).await.unwrap();
    problem(response, 403, "auth.tenant_required").await;
    let response = send(Method::GET, "/api/ops/v1/jobs", OWNER).await.unwrap();
    problem(response, 403, "auth.forbidden").await;
    problem(gateway.get("/api/v1/devices").send().await.unwrap(), 401, "auth.required").await;
    assert_eq!(gateway.services.count("list_devices") + gateway.services.count("create_device"), 0);
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems() {
    let gateway = Fixture::start().await;
    for path in
        ["/api", "/api/v1/nothing", "/api/v2/devices", "/", "/x", "/errors/none", "/metrics"]
    {
        problem(gateway.get(path).send().await.unwrap(), 404, "route.not_found").await;
    }
    // Internal methods have no address at all.
    let path = "/yard.identity.v1.SessionService/ExchangeSession";
    let response = gateway.request(Method::POST, path).send().await.unwrap();
    problem(response, 404, "route.not_found").await;
    let response = gateway.request(Method::DELETE, "/api/v1/devices").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS, POST");
    problem(response, 405, "route.method_not_allowed").await;
    let options = gateway.request(Method::OPTIONS, "/api/v1/devices").send().await.unwrap();
    assert_eq!(options.status(), 204);
    assert_eq!(options.headers()["allow"], "GET, HEAD, OPTIONS, POST");
}

#[tokio::test]
async fn bodies_at_the_limits_are_taken_and_beyond_refused() {
    let gateway = Fixture::start().await;
    gateway.services.answers("create_device", &device());
    let post = |body: Vec<u8>| {
        let request = gateway.signed(Method::POST, "/api/v1/devices", OWNER);
        request.header("content-type", "application/json").body(body).send()
    };
    let padded = |size: usize| {
        let mut body = b"{\"name\":\"x\"}".to_vec();
        body.resize(size, b' ');
        body
    };
    assert_eq!(post(padded(1024 * 1024)).await.unwrap().status(), 200);
    problem(post(padded(1024 * 1024 + 1)).await.unwrap(), 413, "request.too_large").await;
    problem(post("[".repeat(10_000).into()).await.unwrap(), 400, "request.too_deep").await;
    problem(post(b"{\"name\":\"\xff\"}".to_vec()).await.unwrap(), 400, "request.malformed").await;
    let body =
        problem(post(b"{\"nme\":1}".to_vec()).await.unwrap(), 422, "request.unknown_field").await;
    assert_eq!(body["pointer"], "/nme");
    let body = problem(post(b"{\"name\":1}".to_vec()).await.unwrap(), 422, "request.invalid").await;
    assert_eq!(body["pointer"], "/name");
    let request = gateway.signed(Method::POST, "/api/v1/devices", OWNER).body("{}");
    problem(request.send().await.unwrap(), 415, "request.unsupported_media_type").await;
    assert_eq!(gateway.services.count("create_device"), 1);
}
