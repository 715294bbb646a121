//! REST in, gRPC out, by the descriptors alone: there is no code for any one endpoint.

pub mod routes;
pub mod rule;
pub mod template;

pub use routes::{Found, Routes};
pub use rule::{BodyRule, Route, RouteError, Rpc, field_at};
pub use template::Template;
