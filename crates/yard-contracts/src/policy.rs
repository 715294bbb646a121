//! The policies that the RPCs declare, read from the descriptors.

use std::collections::HashMap;
use std::sync::OnceLock;

use prost_reflect::{DynamicMessage, MethodDescriptor, Value};

use crate::access::v1::{Policy, Scope};
use crate::descriptors;

/// One RPC with its policy.
#[derive(Debug, Clone)]
pub struct MethodPolicy {
    /// gRPC path, for example `/yard.device.v1.DeviceService/GetDevice`.
    pub path: String,
    /// The deployment that answers.
    pub owner: String,
    /// What the RPC declares.
    pub policy: Policy,
}

/// Every RPC by its gRPC path.
///
/// # Panics
/// If an RPC lacks a policy or a service an owner; a test of this crate keeps that from shipping.
pub fn methods() -> &'static HashMap<String, MethodPolicy> {
    static METHODS: OnceLock<HashMap<String, MethodPolicy>> = OnceLock::new();
    METHODS.get_or_init(|| {
        let services = descriptors().services();
        services.flat_map(|s| s.methods().collect::<Vec<_>>()).map(|m| of_method(&m)).collect()
    })
}

fn of_method(method: &MethodDescriptor) -> (String, MethodPolicy) {
    let service = method.parent_service();
    let path = format!("/{}/{}", service.full_name(), method.name());
    let policy = declared(method).unwrap_or_else(|| missing(&path, "policy"));
    let owner = owner(service).unwrap_or_else(|| missing(&path, "owner"));
    (path.clone(), MethodPolicy { path, owner, policy })
}

#[expect(clippy::panic, reason = "an RPC without a policy must not start")]
fn missing<T>(path: &str, what: &str) -> T {
    panic!("{path} declares no {what}")
}

/// The policy of an RPC, if it declares a complete one.
#[must_use]
pub fn declared(method: &MethodDescriptor) -> Option<Policy> {
    let options = method.options();
    let extension = descriptors().get_extension_by_name("yard.access.v1.policy")?;
    let message = options.has_extension(&extension).then(|| options.get_extension(&extension))?;
    let policy: Policy = message.as_message()?.transcode_to().ok()?;
    is_complete(&policy).then_some(policy)
}

fn is_complete(policy: &Policy) -> bool {
    match policy.scope() {
        Scope::Unspecified => false,
        Scope::Tenant | Scope::Platform => !policy.permission.is_empty(),
        Scope::Internal => !policy.callers.is_empty(),
        Scope::Self_ | Scope::Public => true,
    }
}

fn owner(service: &prost_reflect::ServiceDescriptor) -> Option<String> {
    let options: DynamicMessage = service.options();
    let extension = descriptors().get_extension_by_name("yard.access.v1.owner")?;
    let value = options.has_extension(&extension).then(|| options.get_extension(&extension))?;
    match value.as_ref() {
        Value::String(name) if !name.is_empty() => Some(name.clone()),
        _ => None,
    }
}
