use std::fmt;

use aws_lc_rs::hmac;

/// What lets a socket into a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// `key:signature`.
    pub auth: String,
    /// What was signed besides, for a presence channel: JSON with `user_id`.
    pub channel_data: Option<String>,
}

/// Signs joins, as the app's own server does.
pub trait Authorize: Send {
    /// Signs `socket_id:channel`, or with `channel_data` behind another colon.
    ///
    /// # Errors
    /// With a reason, where it is not allowed or the server is away; it is tried with the next socket.
    fn authorize(
        &mut self,
        socket_id: &str,
        channel: &str,
    ) -> impl Future<Output = Result<Authorization, String>> + Send;
}

/// Signs with the app's secret itself: for servers only.
pub struct AppSecret {
    key: String,
    secret: hmac::Key,
    user: Option<String>,
}

impl AppSecret {
    /// Of an app with this public key.
    #[must_use]
    pub fn new(key: &str, secret: &[u8]) -> Self {
        Self { key: key.to_owned(), secret: hmac::Key::new(hmac::HMAC_SHA256, secret), user: None }
    }

    /// Joins presence channels as this user; `user_id` is written into `channel_data`.
    #[must_use]
    pub fn as_user(mut self, user_id: &str) -> Self {
        self.user = Some(serde_json::json!({ "user_id": user_id }).to_string());
        self
    }

    fn sign(&self, text: &str) -> String {
        let tag = hmac::sign(&self.secret, text.as_bytes());
        let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        let hex: String =
            tag.as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        format!("{}:{hex}", self.key)
    }
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppSecret").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Authorize for AppSecret {
    async fn authorize(&mut self, socket_id: &str, channel: &str) -> Result<Authorization, String> {
        let channel_data = if channel.starts_with("presence-") { self.user.clone() } else { None };
        let text = match &channel_data {
            None => format!("{socket_id}:{channel}"),
            Some(data) => format!("{socket_id}:{channel}:{data}"),
        };
        Ok(Authorization { auth: self.sign(&text), channel_data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_of_the_documented_vector_matches_and_the_secret_is_not_shown() {
        let secret = AppSecret::new("278d425bdf160c739803", b"7ad3773142a6692b25b8");
        assert_eq!(
            secret.sign("1234.1234:private-foobar"),
            "278d425bdf160c739803:\
             58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        );
        assert!(!format!("{secret:?}").contains("7ad3"));
    }
}
