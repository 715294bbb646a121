//! What a call is about, read from its messages by the names of their fields. Only names that
//! cannot be secrets are looked at, and of values only those that name a thing.

use std::collections::HashMap;
use std::sync::OnceLock;

use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};
use yard_contracts::{descriptors, policy};

/// Longest id taken, bytes.
const LONGEST_ID: usize = 128;
/// Most names of changed fields.
const MOST_FIELDS: usize = 32;
/// A thing may be named by one of these, but never by what lets someone in.
const SECRET: [&str; 6] = ["token", "code", "secret", "password", "key", "ticket"];
/// Ids in a message that do not say what it is about.
const NOT_OBJECTS: [&str; 5] =
    ["tenant_id", "session_id", "request_id", "incident_id", "credential_id"];

/// A thing, by type and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) kind: String,
    pub(crate) id: String,
}

/// What an answer says of its object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(super) object: Option<Named>,
    /// The tenant that the answer names.
    pub(super) tenant: Option<String>,
}

/// What a request says of its object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) object: Option<Named>,
    pub(super) changed_fields: Vec<String>,
    /// The tenant that the request names.
    pub(super) tenant: Option<String>,
}

/// The descriptor of an RPC by its gRPC path.
pub(crate) fn method(path: &str) -> Option<&'static MethodDescriptor> {
    static METHODS: OnceLock<HashMap<String, MethodDescriptor>> = OnceLock::new();
    let all = METHODS.get_or_init(|| {
        let services = descriptors().services();
        let all = services.flat_map(|s| s.methods().collect::<Vec<_>>());
        all.map(|m| (format!("/{}/{}", m.parent_service().full_name(), m.name()), m)).collect()
    });
    policy::methods().get(path).and_then(|known| all.get(&known.path))
}

/// Reads a request, as it came over the wire.
pub(super) fn of_request(method: &MethodDescriptor, body: &Bytes) -> About {
    let Some(message) = message(&method.input(), body) else {
        return About::default();
    };
    let bound = bound_fields(method);
    let object = bound.iter().rev().find_map(|path| by_path(&message, path));
    About {
        object: object.or_else(|| bound.is_empty().then(|| by_id(&message)).flatten()),
        changed_fields: mask(&message),
        tenant: tenant(&message),
    }
}

/// Reads an answer: the thing that was made, and the tenant it concerns.
pub(super) fn of_answer(method: &MethodDescriptor, body: &Bytes) -> Answered {
    let Some(message) = message(&method.output(), body) else { return Answered::default() };
    Answered { object: by_id(&message), tenant: tenant(&message) }
}

/// The tenant that a message names, itself or one message further in.
fn tenant(message: &DynamicMessage) -> Option<String> {
    text(message, "tenant_id")
        .or_else(|| message.fields().find_map(|(_, value)| text(value.as_message()?, "tenant_id")))
}

/// The first message of a gRPC body; `None` if it is compressed or none.
fn message(kind: &MessageDescriptor, body: &Bytes) -> Option<DynamicMessage> {
    let (head, rest) = body.split_at_checked(5)?;
    let [0, a, b, c, d] = head else { return None };
    let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?;
    DynamicMessage::decode(kind.clone(), rest.get(..length)?).ok()
}

/// Names of the request's fields that stand in the route's path.
fn bound_fields(method: &MethodDescriptor) -> Vec<String> {
    let Some(extension) = descriptors().get_extension_by_name("google.api.http") else {
        return Vec::new();
    };
    let options = method.options();
    if !options.has_extension(&extension) {
        return Vec::new();
    }
    let rule = options.get_extension(&extension);
    let Some(rule) = rule.as_message() else { return Vec::new() };
    let verbs = ["get", "put", "post", "delete", "patch"];
    let template = verbs.iter().find_map(|verb| text(rule, verb)).unwrap_or_default();
    let fields = template.split('{').skip(1).filter_map(|part| part.split(['}', '=']).next());
    fields.map(str::to_owned).collect()
}

fn by_path(message: &DynamicMessage, path: &str) -> Option<Named> {
    let (outer, name) = match path.split_once('.') {
        None => (None, path),
        Some((outer, name)) => (Some(outer), name),
    };
    if let Some(outer) = outer {
        let field = message.get_field_by_name(outer)?;
        return by_path(field.as_message()?, name);
    }
    named(message, name)
}

/// The first field that ends in `_id`, here or one message further in.
fn by_id(message: &DynamicMessage) -> Option<Named> {
    let kind = message.descriptor();
    let own = kind.fields().find_map(|field| {
        let is_id = field.name().ends_with("_id") && !NOT_OBJECTS.contains(&field.name());
        is_id.then(|| named(message, field.name())).flatten()
    });
    own.or_else(|| {
        kind.fields().find_map(|field| match field.kind() {
            Kind::Message(_)
                if !field.is_list() && !field.is_map() && message.has_field(&field) =>
            {
                let value = message.get_field(&field);
                let inner = value.as_message()?;
                inner.descriptor().fields().find_map(|f| {
                    let is_id = f.name().ends_with("_id") && !NOT_OBJECTS.contains(&f.name());
                    is_id.then(|| named(inner, f.name())).flatten()
                })
            }
            _ => None,
        })
    })
}

fn named(message: &DynamicMessage, name: &str) -> Option<Named> {
    let kind = name.strip_suffix("_id").unwrap_or(name);
    if SECRET.iter().any(|word| kind.contains(word)) && !name.ends_with("_id") {
        return None;
    }
    let id = text(message, name)?;
    let plain = id.len() <= LONGEST_ID && !id.contains(char::is_control);
    plain.then(|| Named { kind: kind.to_owned(), id })
}

fn text(message: &DynamicMessage, name: &str) -> Option<String> {
    match message.get_field_by_name(name)?.as_ref() {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// The names in the request's field mask.
fn mask(message: &DynamicMessage) -> Vec<String> {
    let is_mask = |f: &prost_reflect::FieldDescriptor| matches!(f.kind(), Kind::Message(m) if m.full_name() == "google.protobuf.FieldMask");
    let Some(field) = message.descriptor().fields().find(is_mask) else { return Vec::new() };
    let value = message.get_field(&field);
    let paths = value.as_message().and_then(|mask| {
        let paths = mask.get_field_by_name("paths")?;
        let names = paths.as_list()?.iter().filter_map(|path| path.as_str().map(str::to_owned));
        Some(names.filter(|name| is_field_name(name)).take(MOST_FIELDS).collect::<Vec<_>>())
    });
    paths.unwrap_or_default()
}

fn is_field_name(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use yard_contracts::{command, device, identity};

    use super::*;

    fn framed(message: &impl prost::Message) -> Bytes {
        let content = message.encode_to_vec();
        let length = u32::try_from(content.len()).unwrap();
        [&[0][..], &length.to_be_bytes(), &content].concat().into()
    }

    fn about(path: &str, request: &impl prost::Message) -> About {
        of_request(method(path).unwrap(), &framed(request))
    }

    fn named(kind: &str, id: &str) -> Option<Named> {
        Some(Named { kind: kind.to_owned(), id: id.to_owned() })
    }

    #[test]
    fn object_is_what_the_path_of_the_route_names() {
        let request = command::v1::SendCommandRequest {
            device_id: "d-1".to_owned(),
            name: "set_valve".to_owned(),
            ..Default::default()
        };
        let found = about("/yard.command.v1.CommandService/SendCommand", &request);
        assert_eq!(found.object, named("device", "d-1"));
        let request = device::v1::UpdateDeviceRequest {
            device: Some(device::v1::Device { device_id: "d-2".to_owned(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["labels".to_owned(), "x\n".to_owned()],
            }),
        };
        let found = about("/yard.device.v1.DeviceService/UpdateDevice", &request);
        assert_eq!(found.object, named("device", "d-2"));
        assert_eq!(found.changed_fields, ["labels"]);
    }

    #[test]
    fn object_of_a_creation_is_in_the_answer() {
        let path = "/yard.device.v1.DeviceService/CreateDevice";
        let answer = device::v1::Device { device_id: "d-3".to_owned(), ..Default::default() };
        let found = of_answer(method(path).unwrap(), &framed(&answer));
        assert_eq!(found.object, named("device", "d-3"));
    }

    #[test]
    fn secrets_and_unreadable_bodies_name_nothing() {
        let login = identity::v1::LoginRequest {
            email: "ann@example.org".to_owned(),
            password: "hunter2".to_owned(),
            ..Default::default()
        };
        let path = "/yard.identity.v1.SessionService/Login";
        assert_eq!(about(path, &login), About::default());
        let me = identity::v1::Me { tenant_id: "t-1".to_owned(), ..Default::default() };
        let answer = identity::v1::LoginResponse {
            me: Some(me),
            session_token: "yst_secret".to_owned(),
            ..Default::default()
        };
        let answered = of_answer(method(path).unwrap(), &framed(&answer));
        assert_eq!(answered.tenant.as_deref(), Some("t-1"));
        assert!(!format!("{answered:?}").contains("yst_"));
        // What a stranger says is their passkey may be any text.
        let assertion = identity::v1::PasskeyAssertion {
            credential_id: "ann@example.org".to_owned(),
            ..Default::default()
        };
        let by_passkey = identity::v1::CompletePasskeySignInRequest {
            assertion: Some(assertion),
            ..Default::default()
        };
        let found = about("/yard.identity.v1.PasskeyService/CompletePasskeySignIn", &by_passkey);
        assert_eq!(found, About::default());
        let enrol = identity::v1::EnrollDeviceRequest {
            claim_code: "AAAAA-BBBBB".to_owned(),
            ..Default::default()
        };
        let found = about("/yard.identity.v1.EnrollmentService/EnrollDevice", &enrol);
        assert_eq!(found.object, None);
        for body in [&b""[..], b"\x01\0\0\0\0", b"\0\0\0\0\x09x", b"\0\xff\xff\xff\xff"] {
            let found = of_request(method(path).unwrap(), &Bytes::copy_from_slice(body));
            assert_eq!(found, About::default());
        }
        assert!(method("/yard.identity.v1.SessionService/Nothing").is_none());
    }
}
