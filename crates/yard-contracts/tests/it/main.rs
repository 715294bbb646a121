//! The contract holds what it promises.

use yard_contracts::access::v1::Scope;
use yard_contracts::{descriptors, policy};

#[test]
fn every_rpc_declares_a_complete_policy_and_an_owner() {
    let rpcs = descriptors().services().map(|s| s.methods().count()).sum::<usize>();
    assert!(rpcs > 20);
    assert_eq!(policy::methods().len(), rpcs);
}

#[test]
fn internal_rpcs_have_no_route_and_all_others_have_one() {
    let http = descriptors().get_extension_by_name("google.api.http").unwrap();
    for service in descriptors().services() {
        for method in service.methods() {
            let policy = policy::declared(&method).unwrap();
            let routed = method.options().has_extension(&http);
            assert_eq!(routed, policy.scope() != Scope::Internal, "{}", method.full_name());
        }
    }
}
