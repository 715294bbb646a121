//! All routes, compiled once.

use std::collections::{BTreeSet, HashMap, HashSet};

use http::Method;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use super::rule::{Route, RouteError, routes_of};

/// Messages of `google.protobuf` that have a JSON form here.
pub(super) const WELL_KNOWN: [&str; 6] = [
    "google.protobuf.Timestamp",
    "google.protobuf.FieldMask",
    "google.protobuf.Struct",
    "google.protobuf.Value",
    "google.protobuf.ListValue",
    "google.protobuf.Empty",
];

/// The compiled table.
#[derive(Debug)]
pub struct Routes {
    /// By number of segments; literals before fields.
    by_length: HashMap<usize, Vec<Route>>,
}

/// What stands at an address.
#[derive(Debug)]
pub enum Found<'r, 'p> {
    /// A route, with the encoded texts of its path fields.
    Route(&'r Route, Vec<&'p str>),
    /// Routes of other methods only.
    OtherMethods(Vec<Method>),
    /// Nothing.
    Nothing,
}

impl Routes {
    /// Reads the routes of every RPC of a descriptor set.
    ///
    /// # Errors
    /// The first RPC that cannot be served.
    pub fn compile(pool: &DescriptorPool) -> Result<Self, RouteError> {
        let mut by_length: HashMap<usize, Vec<Route>> = HashMap::new();
        let mut shapes = HashSet::new();
        for method in pool.services().flat_map(|s| s.methods().collect::<Vec<_>>()) {
            for route in routes_of(&method)? {
                check_messages(&route)?;
                if !shapes.insert((route.method.clone(), route.template.shape())) {
                    let problem = "has the same address as another route";
                    return Err(RouteError::Template {
                        template: route.template.text().to_owned(),
                        problem,
                    });
                }
                by_length.entry(route.template.length()).or_default().push(route);
            }
        }
        for routes in by_length.values_mut() {
            routes.sort_by_key(|route| route.template.rank());
        }
        Ok(Self { by_length })
    }

    /// Every route, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.by_length.values().flatten()
    }

    /// The services that answer at least one route.
    #[must_use]
    pub fn owners(&self) -> BTreeSet<&str> {
        self.iter().map(|route| route.rpc.owner.as_str()).collect()
    }

    /// Looks an address up. `HEAD` is `GET` without its body.
    #[must_use]
    pub fn find<'r, 'p>(&'r self, method: &Method, path: &'p str) -> Found<'r, 'p> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let mut others = Vec::new();
        for route in self.by_length.get(&segments.len()).into_iter().flatten() {
            let Some(bound) = route.template.capture(&segments) else {
                continue;
            };
            if route.method == *method {
                return Found::Route(route, bound);
            }
            others.push(route.method.clone());
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }
}

/// Refuses messages that have no JSON form here, before a caller meets one.
fn check_messages(route: &Route) -> Result<(), RouteError> {
    let mut seen = HashSet::new();
    let mut waiting = vec![route.rpc.descriptor.input(), route.rpc.descriptor.output()];
    while let Some(message) = waiting.pop() {
        let name = message.full_name();
        if WELL_KNOWN.contains(&name) || !seen.insert(name.to_owned()) {
            continue;
        }
        if name.starts_with("google.protobuf.") {
            let rpc = route.rpc.descriptor.full_name().to_owned();
            return Err(RouteError::Rpc { rpc, problem: format!("uses {name}") });
        }
        waiting.extend(parts(&message));
    }
    Ok(())
}

fn parts(message: &MessageDescriptor) -> impl Iterator<Item = MessageDescriptor> {
    message.fields().filter_map(|field| match field.kind() {
        Kind::Message(inner) => Some(inner),
        _ => None,
    })
}
