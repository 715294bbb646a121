use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};

use crate::failure::{Failure, Outcome};

const PATIENCE: Duration = Duration::from_secs(5);

/// Where lists come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that is replaced as a whole.
    File(PathBuf),
    /// auth's address.
    Url(String),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("a URL or a file".to_owned()),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::Url(url.to_owned()))
            }
            file => Ok(Self::File(file.into())),
        }
    }
}

/// Reads a source, and says nothing when it has not changed.
#[derive(Debug)]
pub(super) struct Reader {
    source: Source,
    http: reqwest::Client,
    tag: Option<HeaderValue>,
    last: Bytes,
}

impl Reader {
    pub(super) fn new(source: Source) -> Outcome<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            // The list is asked for at one place and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| Failure::Http { url: "the revocation list".to_owned(), source })?;
        Ok(Self { source, http, tag: None, last: Bytes::new() })
    }

    /// What is there now; `None` when it is what was [`Reader::settled`].
    pub(super) async fn read(&mut self) -> Outcome<Option<Bytes>> {
        let found = match &self.source {
            Source::File(path) => {
                Some(Bytes::from(tokio::fs::read(path).await.map_err(Failure::file(path))?))
            }
            Source::Url(url) => {
                let url = url.clone();
                self.ask(&url).await?
            }
        };
        Ok(found.filter(|found| *found != self.last))
    }

    /// What was read has been dealt with.
    pub(super) fn settled(&mut self, content: Bytes) {
        self.last = content;
    }

    async fn ask(&mut self, url: &str) -> Outcome<Option<Bytes>> {
        let failed = |source| Failure::Http { url: url.to_owned(), source };
        let mut request = self.http.get(url);
        // Only while the last answer is dealt with: else it would not come again.
        if let Some(tag) = self.tag.as_ref().filter(|_| !self.last.is_empty()) {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(failed)?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let tag = answer.headers().get(ETAG).cloned();
        let body = answer.bytes().await.map_err(failed)?;
        self.tag = tag;
        Ok(Some(body))
    }
}
