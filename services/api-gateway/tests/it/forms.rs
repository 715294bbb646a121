//! Requests in every form that a route can have, without a network.

use api_gateway::transcode::{Found, Routes, Shape, Template, read_request, to_json};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use prost_reflect::DescriptorPool;
use serde_json::{Value as Json, json};
use yard_fault::{Code, Fault};

fn pool() -> DescriptorPool {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    let mut compiler = protox::Compiler::new([here, proto]).unwrap();
    compiler.include_imports(true).open_file("forms.proto").unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
}

thread_local! {
    static ROUTES: Routes = Routes::compile(&pool()).unwrap();
}

const SHAPE: Shape = Shape { depth: 64, members: 10_000 };

/// The message that a request makes, as JSON.
fn read(method: Method, target: &str, kind: &str, body: &[u8]) -> Result<Json, Fault> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert("content-type", kind.parse().unwrap());
    }
    ROUTES.with(|routes| match routes.find(&method, path) {
        Found::Route(route, captured) => {
            to_json(&read_request(route, &captured, query, &headers, body, SHAPE)?)
        }
        Found::OtherMethods(_) | Found::Nothing => Err(Code::RouteNotFound.into()),
    })
}

fn search(body: &str) -> Result<Json, Fault> {
    read(Method::POST, "/v1/searches", "application/json", body.as_bytes())
}

fn get(target: &str) -> Result<Json, Fault> {
    read(Method::GET, target, "", b"")
}

fn refused(result: Result<Json, Fault>) -> (Code, String) {
    let fault = result.unwrap_err();
    (fault.code(), fault.pointer().unwrap_or_default().to_owned())
}

#[test]
fn path_fields_and_nested_path_fields_are_bound_and_decoded() {
    let made = get("/v1/caf%C3%A9/things/a%2Fb").unwrap();
    assert_eq!((&made["kind"], &made["place"]["room"]), (&json!("café"), &json!("a/b")));
}

#[test]
fn literal_route_goes_before_a_field_route() {
    assert_eq!(get("/v1/things/latest").unwrap()["kind"], "");
    assert_eq!(refused(read(Method::GET, "/v1/things/other", "", b"")).0, Code::RouteNotFound);
}

#[test]
fn query_parameters_of_every_kind_are_bound() {
    let target = "/v1/things?kind=a+b&place.room=r&place.floor=-3&sizes=1&sizes=2&colour=COLOUR_RED\
        &colours=COLOUR_RED&colours=COLOUR_BLUE&since=2026-01-02T03:04:05.5Z&exact=true&weight=1.5\
        &mask=a,b.c&token=AQI%3D&big=18446744073709551615&maybe=0&left=l";
    let expected = json!({
        "kind": "a b", "place": {"room": "r", "floor": -3}, "sizes": [1, 2],
        "colour": "COLOUR_RED", "colours": ["COLOUR_RED", "COLOUR_BLUE"],
        "since": "2026-01-02T03:04:05.5Z", "exact": true, "weight": 1.5, "mask": "a,b.c",
        "token": "AQI=", "big": u64::MAX, "labels": {}, "maybe": 0, "left": "l", "places": [],
    });
    assert_eq!(get(target).unwrap(), expected);
}

#[test]
fn query_parameters_that_cannot_be_are_refused_with_a_pointer() {
    let table = [
        ("nothing=1", Code::RequestUnknownField, "/nothing"),
        ("place.nothing=1", Code::RequestUnknownField, "/place/nothing"),
        ("kind.x=1", Code::RequestUnknownField, "/kind/x"),
        ("place.floor=2147483648", Code::RequestInvalid, "/place/floor"),
        ("place.floor=", Code::RequestInvalid, "/place/floor"),
        ("place=x", Code::RequestInvalid, "/place"),
        ("labels=x", Code::RequestInvalid, "/labels"),
        ("exact=yes", Code::RequestInvalid, "/exact"),
        ("exact=true&exact=true", Code::RequestInvalid, "/exact"),
        ("colour=RED", Code::RequestInvalid, "/colour"),
        ("since=yesterday", Code::RequestInvalid, "/since"),
        ("weight=NaN", Code::RequestInvalid, "/weight"),
        ("mask=A", Code::RequestInvalid, "/mask"),
        ("big=-1", Code::RequestInvalid, "/big"),
        ("kind=%ff", Code::RequestMalformed, ""),
        ("kind=%4", Code::RequestMalformed, ""),
    ];
    for (query, code, pointer) in table {
        let found = refused(get(&format!("/v1/things?{query}")));
        assert_eq!(found, (code, pointer.to_owned()), "{query}");
    }
}

#[test]
fn json_body_is_the_whole_message() {
    let body = json!({
        "kind": "k", "place": {"floor": 2.0}, "sizes": [1, 2], "colours": ["COLOUR_BLUE"],
        "since": "2026-01-02T03:04:05+01:00", "weight": 7, "token": "_w==", "big": 9,
        "labels": {"a": -1}, "free": {"n": 1, "f": 1.5, "l": [null, {"x": "y"}]}, "any": null,
        "right": 4, "places": [{"room": "r"}], "exact": null,
    });
    let made = search(&body.to_string()).unwrap();
    let expected = json!({
        "kind": "k", "place": {"room": "", "floor": 2}, "sizes": [1, 2],
        "colour": "COLOUR_UNSPECIFIED", "colours": ["COLOUR_BLUE"],
        "since": "2026-01-02T02:04:05Z", "exact": false, "weight": 7.0, "token": "/w==", "big": 9,
        "labels": {"a": -1}, "free": {"n": 1, "f": 1.5, "l": [null, {"x": "y"}]}, "any": null,
        "right": 4, "places": [{"room": "r", "floor": 0}],
    });
    assert_eq!(made, expected);
    assert_eq!(read(Method::POST, "/v1/searches", "", b"").unwrap()["kind"], "");
}

#[test]
fn json_bodies_that_cannot_be_are_refused_with_a_pointer() {
    let table = [
        (r#"{"nothing":1}"#, Code::RequestUnknownField, "/nothing"),
        (r#"{"places":[{},{"ro/om":1}]}"#, Code::RequestUnknownField, "/places/1/ro~1om"),
        (r#"{"kind":1}"#, Code::RequestInvalid, "/kind"),
        (r#"{"kind":"\u0000"}"#, Code::RequestInvalid, "/kind"),
        (r#"{"sizes":[1,"2"]}"#, Code::RequestInvalid, "/sizes/1"),
        (r#"{"sizes":1}"#, Code::RequestInvalid, "/sizes"),
        (r#"{"sizes":[1.5]}"#, Code::RequestInvalid, "/sizes/0"),
        (r#"{"place":{"floor":2147483648}}"#, Code::RequestInvalid, "/place/floor"),
        (r#"{"place":[]}"#, Code::RequestInvalid, "/place"),
        (r#"{"colour":1}"#, Code::RequestInvalid, "/colour"),
        (r#"{"since":1}"#, Code::RequestInvalid, "/since"),
        (r#"{"since":"2026-13-01T00:00:00Z"}"#, Code::RequestInvalid, "/since"),
        (r#"{"token":"%"}"#, Code::RequestInvalid, "/token"),
        (r#"{"labels":{"a":"b"}}"#, Code::RequestInvalid, "/labels/a"),
        (r#"{"free":[]}"#, Code::RequestInvalid, "/free"),
        (r#"{"left":"l","right":1}"#, Code::RequestInvalid, "/right"),
        (r#"{"big":1e30}"#, Code::RequestInvalid, "/big"),
        ("[]", Code::RequestInvalid, ""),
        ("{", Code::RequestMalformed, ""),
        ("{} x", Code::RequestMalformed, ""),
    ];
    for (body, code, pointer) in table {
        assert_eq!(refused(search(body)), (code, pointer.to_owned()), "{body}");
    }
    let bytes = read(Method::POST, "/v1/searches", "application/json", b"{\"kind\":\"\xff\"}");
    assert_eq!(refused(bytes).0, Code::RequestMalformed);
    assert_eq!(
        refused(read(Method::POST, "/v1/searches?kind=x", "application/json", b"{}")),
        (Code::RequestUnknownField, "/kind".to_owned())
    );
}

#[test]
fn nesting_beyond_the_limits_is_refused_before_it_is_built() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(refused(search(&deep(10_000))).0, Code::RequestTooDeep);
    let free = |levels| search(&format!(r#"{{"any":{}}}"#, deep(levels)));
    assert!(free(24).is_ok());
    assert_eq!(refused(free(25)), (Code::RequestTooDeep, "/any".to_owned()));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(24), "}".repeat(24));
    assert!(search(&format!(r#"{{"free":{objects}}}"#)).is_ok());
}

#[test]
fn form_is_taken_for_flat_texts_only() {
    let form = "application/x-www-form-urlencoded; charset=UTF-8";
    let made =
        read(Method::POST, "/v1/signatures", form, b"socket_id=1.2&channel_name=private-%C3%A4");
    assert_eq!(made.unwrap(), json!({"socket_id": "1.2", "channel_name": "private-ä"}));
    assert_eq!(
        refused(read(Method::POST, "/v1/signatures", form, b"other=1")),
        (Code::RequestUnknownField, "/other".to_owned())
    );
    for (path, kind) in [
        ("/v1/searches", form),
        ("/v1/signatures", "text/plain"),
        ("/v1/signatures", "application/json; charset=latin1"),
        ("/v1/signatures", ""),
    ] {
        let found = refused(read(Method::POST, path, kind, b"{}")).0;
        assert_eq!(found, Code::RequestUnsupportedMediaType, "{path} {kind}");
    }
}

#[test]
fn patch_without_a_mask_derives_it_from_the_body() {
    let patch =
        |target: &str, body: &str| read(Method::PATCH, target, "application/json", body.as_bytes());
    let made = patch("/v1/things/7", r#"{"place":{"floor":1},"name":null,"id":"7"}"#).unwrap();
    let thing = json!({"id": "7", "name": "", "place": {"room": "", "floor": 1}});
    assert_eq!(made, json!({"thing": thing, "update_mask": "name,place", "dry": false}));
    let made = patch("/v1/things/7?update_mask=name&dry=true", r#"{"place":{}}"#).unwrap();
    assert_eq!((&made["update_mask"], &made["dry"]), (&json!("name"), &json!(true)));
    let put = read(Method::PUT, "/v1/things/7", "application/json", b"{\"name\":\"n\"}").unwrap();
    assert!(put.get("update_mask").is_none());
    assert_eq!(
        refused(patch("/v1/things/7", r#"{"id":"8"}"#)),
        (Code::RequestInvalid, "/thing/id".to_owned())
    );
    assert_eq!(
        refused(patch("/v1/things/7?thing.name=x", "{}")),
        (Code::RequestUnknownField, "/thing/name".to_owned())
    );
    assert_eq!(refused(patch("/v1/things/7", "")).0, Code::RequestMalformed);
}

#[test]
fn templates_that_are_none_are_refused() {
    for text in ["v1", "/", "/v1//x", "/v1/{", "/v1/{a=**}", "/v1/{a.}", "/v1/x:verb", "/v1/a b"] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

proptest! {
    #[test]
    fn any_text_in_the_path_comes_out_as_it_went_in(kind in "[^\0]{1,12}", room in "[^\0]{1,12}") {
        let made = get(&format!("/v1/{}/things/{}", encoded(&kind), encoded(&room))).unwrap();
        prop_assert_eq!(&made["kind"], &json!(kind));
        prop_assert_eq!(&made["place"]["room"], &json!(room));
    }

    #[test]
    fn template_captures_what_it_was_filled_with(
        parts in prop::collection::vec(("[a-z][a-z0-9_-]{0,6}", any::<bool>(), "[A-Za-z0-9%._~-]{1,8}"), 1..8),
    ) {
        let segment = |(name, field, _): &(String, bool, String)| {
            if *field { format!("/{{{}}}", name.replace('-', "_")) } else { format!("/{name}") }
        };
        let text: String = parts.iter().map(segment).collect();
        let template = Template::parse(&text).unwrap();
        let values: Vec<_> = parts.iter().filter(|p| p.1).map(|p| p.2.as_str()).collect();
        let path = template.fill(values.iter().copied());
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        prop_assert_eq!(template.capture(&segments), Some(values));
        prop_assert_eq!(template.capture(segments.split_last().unwrap().1), None);
    }
}
