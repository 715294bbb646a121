//! A caller of the gateway, as any program outside would be.

use anyhow::Context as _;
use serde_json::{Value, json};

/// A stream that says nothing for so long has said what there is to see.
const QUIET: std::time::Duration = std::time::Duration::from_millis(700);

/// What came back: enough to judge it, and every byte to search.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers and body as one text.
    pub bytes: String,
    /// The body, if it is JSON.
    pub json: Value,
}

/// One caller; with a session or without.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    traceparent: Option<String>,
}

impl Client {
    /// A caller without a session.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn anonymous(base: &str) -> anyhow::Result<Self> {
        let http =
            reqwest::Client::builder().timeout(std::time::Duration::from_secs(15)).build()?;
        Ok(Self { http, base: base.to_owned(), token: None, traceparent: None })
    }

    /// Signs in.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn sign_in(base: &str, email: &str, password: &str) -> anyhow::Result<Self> {
        let mut client = Self::anonymous(base)?;
        let body = json!({
            "email": email, "password": password, "delivery": "SESSION_DELIVERY_TOKEN",
        });
        let answer = client.call("POST", "/api/v1/sessions", Some(&body)).await?;
        let token = answer.json.get("session_token").and_then(Value::as_str);
        client.token = Some(token.with_context(|| answer.bytes.clone())?.to_owned());
        Ok(client)
    }

    /// The same caller in a session that was opened otherwise.
    #[must_use]
    pub fn with_session(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same caller, as part of a trace (a W3C `traceparent`).
    #[must_use]
    pub fn in_trace(&self, traceparent: &str) -> Self {
        Self { traceparent: Some(traceparent.to_owned()), ..self.clone() }
    }

    /// One request.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        self.call_with_key(method, path, body, None).await
    }

    /// One request under an idempotency key.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn call_with_key(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method.parse()?, url).header("X-Yard-Csrf", "1");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let mut bytes = format!("{:?}\n", response.headers());
        let streams = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let text = if streams { watch(&mut response).await? } else { read(&mut response).await? };
        bytes.push_str(&text);
        Ok(Answer { status, bytes, json: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }

    /// Follows a stream until it has said `wanted` so many times; what it said. A stream that ends
    /// or is refused is given back as it is.
    ///
    /// # Errors
    /// When it says it too seldom within `patience`.
    pub async fn follow(
        &self,
        path: &str,
        wanted: &str,
        times: usize,
        patience: std::time::Duration,
    ) -> anyhow::Result<Answer> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches(wanted).count();
        let reading = async {
            while said(&bytes) < times {
                let Some(chunk) = response.chunk().await? else { break };
                bytes.extend_from_slice(&chunk);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(patience, reading)
            .await
            .with_context(|| format!("tail of {path}"))??;
        let bytes = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status, bytes, json: Value::Null })
    }

    /// A request that has to succeed; its body.
    ///
    /// # Errors
    /// With everything that came back, when it did not succeed.
    pub async fn expect(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let answer = self.call(method, path, body).await?;
        anyhow::ensure!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.bytes);
        Ok(answer.json)
    }
}

/// A stream to its end, or until nothing comes for a while: one of live events has no end.
async fn watch(response: &mut reqwest::Response) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while let Ok(chunk) = tokio::time::timeout(QUIET, response.chunk()).await {
        let Some(chunk) = chunk? else { break };
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn read(response: &mut reqwest::Response) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
