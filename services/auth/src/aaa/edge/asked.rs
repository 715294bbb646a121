//! A request as `rlm_rest` writes it: each attribute by its name, with its type and its values.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use yard_ids::TenantId;

/// User names are 64 characters at most, of four octets at most.
const LONGEST_NAME: usize = 256;
/// RFC 2865 section 5.2.
const LONGEST_PASSWORD: usize = 128;

/// What is asked.
pub(super) struct Asked {
    /// As the RADIUS server knows it by the NAS's address.
    pub(super) tenant: TenantId,
    pub(super) nas: Uuid,
    pub(super) user_name: String,
    pub(super) proof: Proof,
}

/// How the subscriber proves who they are.
pub(super) enum Proof {
    /// PAP: the password.
    Password(String),
    /// CHAP, MS-CHAP or MS-CHAPv2: an answer that the RADIUS server checks.
    Challenge,
    /// Not at all.
    Nothing,
}

/// Why there is nothing to decide about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It does not say which NAS: not from a RADIUS server that is set up by us.
    NoNas,
    /// It does not say who, or not in a way that anybody of ours could be called.
    NoSubscriber,
}

#[derive(Deserialize)]
struct Attribute {
    value: Vec<Value>,
}

/// An attribute that comes twice by its name is no JSON of `rlm_rest`, and is refused.
#[derive(Deserialize)]
struct Attributes {
    #[serde(rename = "Tenant-ID")]
    tenant: Option<Attribute>,
    #[serde(rename = "Yard-NAS-ID")]
    nas: Option<Attribute>,
    #[serde(rename = "User-Name")]
    user_name: Option<Attribute>,
    #[serde(rename = "User-Password")]
    password: Option<Attribute>,
    #[serde(rename = "CHAP-Password")]
    chap: Option<Attribute>,
    #[serde(rename = "MS-CHAP-Response")]
    ms_chap: Option<Attribute>,
    #[serde(rename = "MS-CHAP2-Response")]
    ms_chap_2: Option<Attribute>,
}

/// Reads a request.
///
/// # Errors
/// See [`Unusable`]. What is no JSON is somebody's odd name or password: `NoSubscriber`.
pub(super) fn read(body: &[u8]) -> Result<Asked, Unusable> {
    let all: Attributes = serde_json::from_slice(body).map_err(|_e| Unusable::NoSubscriber)?;
    let id = |attribute: &Option<Attribute>| Uuid::try_parse(text(attribute.as_ref()?)?).ok();
    let (tenant, nas) = id(&all.tenant).zip(id(&all.nas)).ok_or(Unusable::NoNas)?;
    let user_name = all.user_name.as_ref().and_then(text).and_then(octets);
    let user_name = user_name.ok_or(Unusable::NoSubscriber)?;
    if user_name.is_empty()
        || user_name.len() > LONGEST_NAME
        || user_name.contains(char::is_control)
    {
        return Err(Unusable::NoSubscriber);
    }
    let proof = match &all.password {
        Some(password) => {
            let password = text(password).and_then(octets);
            let password = password.filter(|text| text.len() <= LONGEST_PASSWORD);
            Proof::Password(password.ok_or(Unusable::NoSubscriber)?)
        }
        None if all.chap.is_some() || all.ms_chap.is_some() || all.ms_chap_2.is_some() => {
            Proof::Challenge
        }
        None => Proof::Nothing,
    };
    Ok(Asked { tenant: TenantId::from_uuid(tenant), nas, user_name, proof })
}

/// FreeRADIUS 3.2 writes each octet beyond ASCII as a character of its own (`\u00c3\u00b6` for ö): the
/// octets are put together again. `None` for what are no octets, or no text.
fn octets(written: &str) -> Option<String> {
    let octets: Option<Vec<u8>> = written.chars().map(|c| u8::try_from(c).ok()).collect();
    String::from_utf8(octets?).ok()
}

/// The one text that it has.
fn text(attribute: &Attribute) -> Option<&str> {
    match attribute.value.as_slice() {
        [Value::String(text)] => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "0190a6f2-7c2a-7b52-9c11-00000000000a";

    fn body(name: &Value, rest: (&str, Value)) -> Vec<u8> {
        let attribute = |value: &Value| json!({"type": "string", "value": value});
        let mut all = json!({
            "Tenant-ID": attribute(&json!([ID])), "Yard-NAS-ID": attribute(&json!([ID])),
            "User-Name": attribute(name),
        });
        all[rest.0] = attribute(&rest.1);
        all.to_string().into_bytes()
    }

    #[test]
    fn names_and_passwords_are_read_as_they_are() {
        for odd in
            ["%{User-Name}", "a\"},\"Tenant-ID\":{\"value\":[\"x\"]}", "' or ''='", "\\u0000"]
        {
            let asked = read(&body(&json!([odd]), ("User-Password", json!([odd])))).unwrap();
            assert_eq!(asked.user_name, odd);
            assert!(matches!(&asked.proof, Proof::Password(password) if password == odd));
            assert_eq!(asked.tenant.to_string(), ID);
        }
    }

    #[test]
    fn octets_beyond_ascii_are_put_together_again() {
        let written = json!(["gr\u{c3}\u{b6}\u{c3}\u{9f}e"]);
        let asked = read(&body(&written, ("User-Password", json!(["x"])))).unwrap();
        assert_eq!(asked.user_name, "größe");
        for no_text in ["\u{f6}", "\u{c3}", "\u{20ac}"] {
            let refused = read(&body(&json!([no_text]), ("User-Password", json!(["x"])))).err();
            assert_eq!(refused, Some(Unusable::NoSubscriber), "{no_text:?}");
        }
    }

    #[test]
    fn two_names_or_none_are_nobodys() {
        for name in [json!([]), json!(["a", "b"]), json!([7]), json!([""]), json!(["a\u{0}"])] {
            let refused = read(&body(&name, ("User-Password", json!(["x"])))).err();
            assert_eq!(refused, Some(Unusable::NoSubscriber), "{name}");
        }
        let long = json!(["a".repeat(257)]);
        assert!(read(&body(&long, ("User-Password", json!(["x"])))).is_err());
        let two = json!(["x", "y"]);
        assert!(read(&body(&json!(["a"]), ("User-Password", two))).is_err());
    }

    #[test]
    fn who_names_no_nas_is_not_answered() {
        let without = json!({"User-Name": {"value": ["a"]}}).to_string();
        assert_eq!(read(without.as_bytes()).err(), Some(Unusable::NoNas));
        let twice =
            format!("{{\"Tenant-ID\":{{\"value\":[\"{ID}\"]}},\"Tenant-ID\":{{\"value\":[]}}}}");
        assert_eq!(read(twice.as_bytes()).err(), Some(Unusable::NoSubscriber));
        assert_eq!(read(b"{").err(), Some(Unusable::NoSubscriber));
    }

    #[test]
    fn proof_is_the_password_before_a_challenge_before_nothing() {
        let challenge = |name: &str| read(&body(&json!(["a"]), (name, json!(["0x00"])))).unwrap();
        for name in ["CHAP-Password", "MS-CHAP-Response", "MS-CHAP2-Response"] {
            assert!(matches!(challenge(name).proof, Proof::Challenge), "{name}");
        }
        assert!(matches!(challenge("NAS-Port").proof, Proof::Nothing));
    }
}
