//! An app's server, as it calls the HTTP API.

use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::support::{KEY, SECRET, Service, hex, signature};

/// Path and query of a signed call. `None` for no `body_md5`.
pub(crate) fn signed(
    secret: &str,
    method: &str,
    path: &str,
    query: &str,
    now: i64,
    body: Option<&str>,
) -> String {
    signed_by((KEY, secret), (method, path, query), now, body)
}

/// The same by the key and the secret of any app.
pub(crate) fn signed_by(
    (key, secret): (&str, &str),
    (method, path, query): (&str, &str, &str),
    now: i64,
    body: Option<&str>,
) -> String {
    let mut pairs: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    pairs.push(format!("auth_key={key}"));
    pairs.push(format!("auth_timestamp={now}"));
    pairs.push("auth_version=1.0".to_owned());
    if let Some(body) = body {
        pairs.push(format!("body_md5={}", hex(&Md5::digest(body))));
    }
    pairs.sort();
    let query = pairs.join("&");
    let signature = signature(secret, &format!("{method}\n{path}\n{query}"));
    format!("{path}?{query}&auth_signature={signature}")
}

/// The server of the platform's own app.
pub(crate) struct Server<'s> {
    service: &'s Service,
    http: reqwest::Client,
}

impl<'s> Server<'s> {
    pub(crate) fn of(service: &'s Service) -> Self {
        Self { service, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.raw("POST", path, body.to_string()).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.raw("GET", path, String::new()).await).await
    }

    /// Signs and sends.
    pub(crate) async fn raw(&self, method: &str, path: &str, body: String) -> reqwest::Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let now = self.service.rt.clock().now().unix_timestamp();
        let md5 = (!body.is_empty()).then_some(body.as_str());
        let target = signed(SECRET, method, path, query, now, md5);
        self.request(method, &target, body).await
    }

    /// Sends as it is.
    pub(crate) async fn send(&self, method: &str, target: &str, body: String) -> (u16, Value) {
        read(self.request(method, target, body).await).await
    }

    async fn request(&self, method: &str, target: &str, body: String) -> reqwest::Response {
        let url = format!("http://127.0.0.1:{}{target}", self.service.port());
        let method = method.parse().unwrap();
        self.http.request(method, url).body(body).send().await.unwrap()
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    (status, response.json().await.unwrap())
}

/// Posts a call that another app's secret has signed; its status.
pub(crate) async fn posted_by(
    service: &Service,
    key: &str,
    secret: &str,
    path: &str,
    body: String,
) -> u16 {
    let now = service.rt.clock().now().unix_timestamp();
    let md5 = hex(&Md5::digest(&body));
    let query = format!("auth_key={key}&auth_timestamp={now}&auth_version=1.0&body_md5={md5}");
    let signature = signature(secret, &format!("POST\n{path}\n{query}"));
    let port = service.port();
    let url = format!("http://127.0.0.1:{port}{path}?{query}&auth_signature={signature}");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(url).body(body).send().await.unwrap().status().as_u16()
}
