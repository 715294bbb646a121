use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use yard_ids::{IdSource as _, RandomIds};

use super::Problem;
use super::sse::EventStream;
use super::types::{
    Ban, BanPage, Certificate, CertificatePage, ClaimCode, Command, Contract, ContractDraft,
    ContractPage, Device, DeviceDraft, DevicePage, Enrolled, Me, QuarantinedDevice,
    QuarantinedPage, ReadingPage, Renewed, SequenceReport,
};
use crate::failure::{Failure, Outcome};

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// A connection to one installation, with or without a session.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    http: reqwest::Client,
    token: Option<String>,
}

/// The query of a list request.
type Query<'a> = &'a [(&'a str, String)];

impl Api {
    /// `url` as in `http://127.0.0.1:8070`.
    pub fn anonymous(url: &str) -> Outcome<Self> {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(Failure::Usage(format!(
                "{url}: the URL must begin with http:// or https://"
            )));
        }
        // No limit on a whole answer: events stream for as long as someone watches.
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .user_agent(concat!("yard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| Failure::Http { url: url.to_owned(), source })?;
        Ok(Self { base: url.trim_end_matches('/').to_owned(), http, token: None })
    }

    /// With a session token.
    pub fn signed_in(url: &str, token: &str) -> Outcome<Self> {
        Ok(Self { token: Some(token.to_owned()), ..Self::anonymous(url)? })
    }

    /// Where the installation is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `POST path`, with a fresh idempotency key so that a repeated request does nothing twice.
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Outcome<T> {
        let key = RandomIds.uuid7().to_string();
        let request = self
            .request(Method::POST, path)
            .header("idempotency-key", key)
            // The gateway wants proof that no web page made somebody's browser sign in.
            .header("x-yard-csrf", "yard")
            .json(body);
        self.read(request.timeout(ANSWER)).await
    }

    /// `GET path?query`; parameters without a value are left out.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Outcome<T> {
        let query: Vec<_> = query.iter().filter(|(_, value)| !value.is_empty()).collect();
        self.read(self.request(Method::GET, path).query(&query).timeout(ANSWER)).await
    }

    /// All of a list that comes in pages.
    pub async fn pages<P: Paged>(&self, path: &str) -> Outcome<P> {
        let mut all: P = self.get(path, &[]).await?;
        while !all.next_page_token().is_empty() {
            let query = [("page_token", all.next_page_token().to_owned())];
            all.add(self.get(path, &query).await?);
        }
        Ok(all)
    }

    /// `PUT path`.
    pub async fn put<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Outcome<T> {
        self.read(self.request(Method::PUT, path).json(body).timeout(ANSWER)).await
    }

    /// `PATCH path`: what `body` names changes.
    pub async fn patch<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Outcome<T> {
        self.read(self.request(Method::PATCH, path).json(body).timeout(ANSWER)).await
    }

    /// `DELETE path`, with its answer.
    pub async fn delete_read<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.read(self.request(Method::DELETE, path).timeout(ANSWER)).await
    }

    /// `DELETE path`; the answer is not read.
    pub async fn delete(&self, path: &str) -> Outcome {
        self.send(self.request(Method::DELETE, path).timeout(ANSWER)).await.map(drop)
    }

    /// Server-sent events of `path`.
    pub async fn events(&self, path: &str) -> Outcome<EventStream> {
        let request = self.request(Method::GET, path).header("accept", "text/event-stream");
        let url = format!("{}{path}", self.base);
        Ok(EventStream::new(url, self.send(request).await?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Outcome<Response> {
        let response = request.send().await.map_err(|e| self.http_failure(e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(Failure::Refused(Box::new(Problem::read(status.as_u16(), &body))))
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Outcome<T> {
        self.send(request).await?.json().await.map_err(|e| self.http_failure(e))
    }

    fn http_failure(&self, error: reqwest::Error) -> Failure {
        let url = error.url().map_or_else(|| self.base.clone(), ToString::to_string);
        Failure::Http { url, source: error.without_url() }
    }
}

/// An answer that may be one of several.
pub trait Paged: DeserializeOwned {
    /// Where the next one begins; empty in the last.
    fn next_page_token(&self) -> &str;

    /// Adds what the next one has.
    fn add(&mut self, next: Self);
}

/// The calls, by name.
impl Api {
    pub async fn me(&self) -> Outcome<Me> {
        self.get("/api/v1/me", &[]).await
    }

    pub async fn devices(&self, prefix: &str, page: &str) -> Outcome<DevicePage> {
        let query = [
            ("page_size", "500".to_owned()),
            ("page_token", page.to_owned()),
            ("name_prefix", prefix.to_owned()),
        ];
        self.get("/api/v1/devices", &query).await
    }

    /// All devices whose name begins with `prefix`, in the order of the names.
    pub async fn all_devices(&self, prefix: &str) -> Outcome<DevicePage> {
        let mut all = self.devices(prefix, "").await?;
        while !all.next_page_token.is_empty() {
            let next = self.devices(prefix, &all.next_page_token).await?;
            all.devices.extend(next.devices);
            all.next_page_token = next.next_page_token;
        }
        Ok(all)
    }

    pub async fn device(&self, id: Uuid) -> Outcome<Device> {
        self.get(&format!("/api/v1/devices/{id}"), &[]).await
    }

    pub async fn create_device(&self, draft: &DeviceDraft<'_>) -> Outcome<Device> {
        self.post("/api/v1/devices", draft).await
    }

    /// All contract versions.
    pub async fn contracts(&self) -> Outcome<Vec<Contract>> {
        let mut found = Vec::new();
        let mut page = ContractPage::default();
        loop {
            let query =
                [("page_size", "200".to_owned()), ("page_token", page.next_page_token.clone())];
            page = self.get("/api/v1/contracts", &query).await?;
            found.append(&mut page.contracts);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    pub async fn create_contract(&self, draft: &ContractDraft) -> Outcome<Contract> {
        self.post("/api/v1/contracts", draft).await
    }

    /// A one-time code for a device's first certificate.
    pub async fn create_claim_code(&self, device: Uuid) -> Outcome<ClaimCode> {
        self.post(&format!("/api/v1/devices/{device}/claim-codes"), &serde_json::json!({})).await
    }

    /// All certificates of a device, newest first.
    pub async fn certificates(&self, device: Uuid) -> Outcome<Vec<Certificate>> {
        let path = format!("/api/v1/devices/{device}/certificates");
        let (mut found, mut page) = (Vec::new(), CertificatePage::default());
        loop {
            let query =
                [("page_size", "200".to_owned()), ("page_token", page.next_page_token.clone())];
            page = self.get(&path, &query).await?;
            found.append(&mut page.certificates);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Revokes a certificate; the end of its connections follows.
    pub async fn revoke(&self, serial: &str) -> Outcome<Certificate> {
        let path = format!("/api/v1/certificates/{serial}/revocation");
        self.post(&path, &serde_json::json!({})).await
    }

    /// The first certificate of a device.
    pub async fn enroll(&self, request: &serde_json::Value) -> Outcome<Enrolled> {
        self.post("/api/v1/enrollments", request).await
    }

    /// `signature` in base64, by the key of the certificate.
    pub async fn renew(&self, serial: &str, csr_pem: &str, signature: &str) -> Outcome<Renewed> {
        let body = serde_json::json!({ "csr_pem": csr_pem, "signature": signature });
        self.post(&format!("/api/v1/certificates/{serial}/renewal"), &body).await
    }

    /// Devices that wait for an operator, longest waiting first.
    pub async fn quarantined_devices(&self) -> Outcome<Vec<QuarantinedDevice>> {
        let mut found = Vec::new();
        let mut page = QuarantinedPage::default();
        loop {
            let query =
                [("page_size", "200".to_owned()), ("page_token", page.next_page_token.clone())];
            page = self.get("/api/v1/quarantined-devices", &query).await?;
            found.append(&mut page.devices);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Approves a device in quarantine, or refuses it.
    pub async fn decide_quarantine(
        &self,
        device: Uuid,
        approve: bool,
    ) -> Outcome<QuarantinedDevice> {
        let verb = if approve { "approval" } else { "refusal" };
        let path = format!("/api/v1/quarantined-devices/{device}/{verb}");
        self.post(&path, &serde_json::json!({})).await
    }

    pub async fn command(&self, id: Uuid) -> Outcome<Command> {
        self.get(&format!("/api/v1/commands/{id}"), &[]).await
    }

    pub async fn sequence_report(&self, device: Uuid, epoch: i64) -> Outcome<SequenceReport> {
        let path = format!("/api/v1/devices/{device}/sequence-report");
        self.get(&path, &[("epoch", epoch.to_string())]).await
    }

    /// Bans, newest first.
    pub async fn bans(&self, ended: bool) -> Outcome<Vec<Ban>> {
        let mut found = Vec::new();
        let mut page = BanPage::default();
        loop {
            let query = [
                ("page_size", "200".to_owned()),
                ("page_token", page.next_page_token.clone()),
                ("include_ended", if ended { "true".to_owned() } else { String::new() }),
            ];
            page = self.get("/api/ops/v1/bans", &query).await?;
            found.append(&mut page.bans);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// A page of readings since `from` (RFC 3339).
    pub async fn readings(&self, device: Uuid, from: &str, page: &str) -> Outcome<ReadingPage> {
        let query = [
            ("from", from.to_owned()),
            ("page_size", "1000".to_owned()),
            ("page_token", page.to_owned()),
        ];
        self.get(&format!("/api/v1/devices/{device}/readings"), &query).await
    }
}
