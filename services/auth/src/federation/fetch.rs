//! Asks identity providers: without redirects, for a short time, and reading little.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use yard_fault::{Code, Fault};
use yard_outbound::Guard;

const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 256 * 1024;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    http: Client,
    guard: Guard,
}

impl Fetcher {
    /// Trusts the certificates of `ca_file` beside the system's.
    pub(super) fn new(guard: Guard, ca_file: &Path) -> anyhow::Result<Self> {
        let http = yard_outbound::client(&guard, ("federation.ca_file", ca_file), PATIENCE)?;
        Ok(Self { http, guard })
    }

    /// A URL that may be asked, or that a browser may be sent to.
    ///
    /// # Errors
    /// `federation.provider_failed`.
    pub(super) fn url(&self, text: &str) -> Result<Url, Fault> {
        self.guard.url(text).ok_or_else(|| failed("names an address that is not asked"))
    }

    /// A document of a provider.
    ///
    /// # Errors
    /// `federation.provider_failed`.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, Fault> {
        let url = self.url(url)?;
        let answer = send(self.http.get(url)).await?;
        if !answer.status().is_success() {
            return Err(failed("does not give its documents"));
        }
        read(answer).await
    }

    /// A form that is answered by a document, also if it is refused (RFC 6749 section 5.2); says whether
    /// it was not.
    ///
    /// # Errors
    /// `federation.provider_failed`.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        url: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<(bool, T), Fault> {
        let request = self.http.post(self.url(url)?).form(form);
        let request = match basic {
            Some((name, secret)) => request.basic_auth(name, Some(secret)),
            None => request,
        };
        let answer = send(request.header("accept", "application/json")).await?;
        let status = answer.status();
        let says_no = status == StatusCode::BAD_REQUEST || status == StatusCode::UNAUTHORIZED;
        if !status.is_success() && !says_no {
            return Err(failed("cannot answer"));
        }
        Ok((status.is_success(), read(answer).await?))
    }
}

async fn send(request: RequestBuilder) -> Result<Response, Fault> {
    // Its text may hold the address and what is behind it: for the log only.
    request.send().await.map_err(|e| failed("does not answer").with_source(e.without_url()))
}

async fn read<T: DeserializeOwned>(mut answer: Response) -> Result<T, Fault> {
    let mut bytes = Vec::new();
    let broken = |e: reqwest::Error| failed("broke off").with_source(e.without_url());
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST {
            return Err(failed("says too much"));
        }
    }
    serde_json::from_slice(&bytes).map_err(|e| failed("says what is no document").with_source(e))
}

/// The provider does not do its part.
pub(super) fn failed(what: &str) -> Fault {
    let text = format!("The identity provider {what}.");
    Fault::new(Code::FederationProviderFailed).with_public(text)
}
