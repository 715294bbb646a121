use bytes::Bytes;
use prost::Message as _;
use yard_contracts::realtime::v1::WebhookDelivery;
use yard_fault::{Code, Fault};
use yard_outbound::Guard;

/// A call as it is to be made.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) tenant: String,
    pub(super) app: String,
    pub(super) url: url::Url,
    pub(super) key: String,
    pub(super) signature: String,
    pub(super) body: Bytes,
}

impl Call {
    /// Reads one off the stream. What it refuses can never be called.
    pub(super) fn read(payload: &Bytes, guard: &Guard) -> Result<Self, Fault> {
        let delivery = WebhookDelivery::decode(payload.clone()).map_err(|e| {
            Fault::new(Code::RequestMalformed).with_detail(format!("webhook delivery: {e}"))
        })?;
        let WebhookDelivery { tenant_id, app_id, url, key, signature, body, .. } = delivery;
        let Some(url) = guard.url(&url) else {
            // It may have been allowed when the tenant set it up.
            let text = format!("app {app_id}: {url:?} may not be called");
            return Err(Fault::new(Code::RequestInvalid).with_detail(text));
        };
        Ok(Self { tenant: tenant_id, app: app_id, url, key, signature, body: body.into() })
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}
