use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Refused;

/// What a browser was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

/// What a browser says of where it was asked (Level 3, 5.8.1). It may say more than we know of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<IgnoredAny>,
}

/// Checks a `clientDataJSON`: that a browser made it for this challenge, on one of these origins and
/// not in somebody else's frame.
pub(super) fn admit(
    json: &[u8],
    ceremony: Ceremony,
    challenge: &[u8; 32],
    origins: &[String],
) -> Result<(), Refused> {
    let data: ClientData =
        serde_json::from_slice(json).map_err(|_malformed| Refused("malformed client data"))?;
    let kind = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if data.r#type != kind {
        return Err(Refused("another ceremony"));
    }
    let ours = URL_SAFE_NO_PAD.encode(challenge);
    let same = constant_time::verify_slices_are_equal(ours.as_bytes(), data.challenge.as_bytes());
    if same.is_err() {
        return Err(Refused("another challenge"));
    }
    if !origins.contains(&data.origin) {
        return Err(Refused("another origin"));
    }
    if data.cross_origin == Some(true) || data.top_origin.is_some() {
        return Err(Refused("in a frame of another origin"));
    }
    Ok(())
}
