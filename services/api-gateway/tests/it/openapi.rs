//! The committed document, and that nothing is known of any one endpoint.

use std::fs;
use std::path::Path;

use api_gateway::transcode::Routes;
use api_gateway::{Config, openapi};

#[test]
fn committed_document_is_the_generated_one() {
    let pool = yard_contracts::descriptors();
    let made = openapi::pretty(&Routes::compile(pool).unwrap()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../console/openapi/gateway.json");
    let committed = fs::read_to_string(path).unwrap();
    assert!(
        made == committed,
        "run: cargo run -p api-gateway --bin gateway-openapi > services/console/openapi/gateway.json"
    );
}

#[test]
fn every_public_rpc_is_one_operation() {
    let pool = yard_contracts::descriptors();
    let config = Config::documented().unwrap();
    let document = openapi::document(&Routes::compile(pool).unwrap(), &config);
    let paths = document["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    let internal = yard_contracts::access::v1::Scope::Internal;
    let methods = yard_contracts::policy::methods().values();
    assert_eq!(operations, methods.filter(|m| m.policy.scope() != internal).count());
}

/// Routes, methods and request types come from the descriptors; the source knows none of them.
#[test]
fn source_names_no_endpoint() {
    let mut source = String::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut source);
    // What the gateway itself asks of auth, whoever called.
    let own = ["ExchangeSession", "GetKeySet", "GetGuard", "ReportAbuse"];
    for service in yard_contracts::descriptors().services() {
        for method in service.methods().filter(|m| !own.contains(&m.name())) {
            let input = method.input().name().to_owned();
            assert!(!source.contains(&input), "the source names {input}");
        }
    }
    let pool = yard_contracts::descriptors();
    for route in Routes::compile(pool).unwrap().iter() {
        let text = format!("\"{}\"", route.template.text());
        assert!(!source.contains(&text), "the source names {text}");
    }
}

fn collect(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, source);
        } else {
            source.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
