use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::KeysInterface as _;
use fred::types::{Expiration, SetOptions};
/// The connection that tickets are kept through. It comes and goes by itself; without it nobody
/// gets a ticket, and sockets that are open, and those without a ticket, go on.
#[derive(Clone)]
pub(crate) struct Redis(yard_limits::Redis);

impl Redis {
    pub(crate) const fn new(redis: yard_limits::Redis) -> Self {
        Self(redis)
    }

    /// Keeps a value under a key that is not taken.
    pub(super) async fn keep(&self, key: String, value: String, seconds: i64) -> Result<(), Error> {
        let ends = Some(Expiration::EX(seconds));
        let kept: Option<String> =
            self.connected()?.set(key, value, ends, Some(SetOptions::NX), false).await?;
        kept.map(drop).ok_or_else(|| Error::new(ErrorKind::Unknown, "the key was taken"))
    }

    /// The value of a key, which is gone after.
    pub(super) async fn take(&self, key: String) -> Result<Option<String>, Error> {
        self.connected()?.getdel(key).await
    }

    fn connected(&self) -> Result<&Client, Error> {
        self.0.connected().ok_or_else(|| Error::new(ErrorKind::IO, "not connected"))
    }
}
