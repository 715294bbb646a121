use yard_fault::{Code, Fault};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a broker call can end in.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// Not connected, no answer in time, or no room in the stream: whether a message was stored is
    /// not known; send it again with the same id.
    #[error("broker did not confirm")]
    Unconfirmed(#[source] Source),
    /// The server is older than what keeps acknowledged work.
    #[error("nats-server {found} is too old; 2.10.23 or newer is required")]
    TooOld {
        /// Its version.
        found: String,
    },
    /// A stream or consumer could not be made as we want it.
    #[error("broker refused {what}")]
    SetUp {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: Source,
    },
}

impl From<MessagingError> for Fault {
    fn from(error: MessagingError) -> Self {
        Self::new(Code::ServiceUnavailable).with_source(error)
    }
}
