//! Answers as `rlm_rest` reads them. Every attribute says `do_xlat: false`: else the RADIUS server would
//! expand what stands in it as a program.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use yard_ids::TenantId;

use super::decide::{Decision, Terms};

/// Attributes to be set, by list and name.
#[derive(Default)]
struct Attributes(Map<String, Value>);

impl Attributes {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = json!({"op": ":=", "do_xlat": false, "value": [value.into()]});
        self.0.insert(name.to_owned(), value);
    }

    fn respond(self) -> Response {
        let headers =
            [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (headers, Value::Object(self.0).to_string()).into_response()
    }
}

/// What a NAS is to the RADIUS server. Its name there carries tenant and NAS to the requests that come
/// from it.
pub(super) fn client(tenant: TenantId, nas: Uuid, secret: &str) -> Response {
    let mut all = Attributes::default();
    all.set("control:FreeRADIUS-Client-Secret", secret);
    all.set("control:FreeRADIUS-Client-Shortname", format!("t.{tenant}.n.{}", nas.as_hyphenated()));
    all.respond()
}

/// A decision. `tenant` is whose subscriber it is about.
pub(super) fn of(tenant: Option<TenantId>, decision: &Decision) -> Response {
    let mut all = Attributes::default();
    let terms = match decision {
        Decision::Refuse(_) => return StatusCode::UNAUTHORIZED.into_response(),
        Decision::Silence => return StatusCode::BAD_REQUEST.into_response(),
        Decision::Accept(terms) => {
            all.set("control:Auth-Type", "Accept");
            terms
        }
        Decision::Check(password, terms) => {
            all.set("control:Cleartext-Password", password.as_str());
            terms
        }
    };
    if let Some(tenant) = tenant {
        all.set("control:Tenant-ID", tenant.to_string());
    }
    add_terms(&mut all, *terms);
    all.respond()
}

/// RFC 2865; WISPr 1.0 (bits a second); MikroTik's dictionary: `rx/tx` as the router sees it, so the
/// subscriber's upload first, and 0 for no limit.
fn add_terms(all: &mut Attributes, terms: Terms) {
    let timeouts =
        [("Session-Timeout", terms.session_seconds), ("Idle-Timeout", terms.idle_seconds)];
    for (name, seconds) in timeouts.into_iter().filter(|(_, seconds)| *seconds > 0) {
        all.set(&format!("reply:{name}"), seconds);
    }
    let Terms { upload_kbps, download_kbps, .. } = terms;
    for (name, kbps) in [("Up", upload_kbps), ("Down", download_kbps)] {
        // What 32 bits cannot say is as good as no limit.
        if let Some(bits) = kbps.checked_mul(1_000).filter(|bits| *bits > 0) {
            all.set(&format!("reply:WISPr-Bandwidth-Max-{name}"), bits);
        }
    }
    if upload_kbps > 0 || download_kbps > 0 {
        let rate = |kbps: u32| if kbps == 0 { "0".to_owned() } else { format!("{kbps}k") };
        let limit = format!("{}/{}", rate(upload_kbps), rate(download_kbps));
        all.set("reply:Mikrotik-Rate-Limit", limit);
    }
}
