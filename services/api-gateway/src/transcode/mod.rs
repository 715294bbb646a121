//! REST in, gRPC out, by the descriptors alone: there is no code for any one endpoint.

pub(crate) mod body;
mod codec;
mod decode;
mod depth;
mod encode;
mod params;
mod percent;
mod pointer;
mod request;
mod routes;
mod rule;
mod scalar;
mod sse;
mod template;
mod transcoder;
mod upstreams;
mod well_known;

pub(crate) use body::most as largest_body;
pub use depth::Shape;
pub use encode::message as to_json;
pub use request::read as read_request;
pub use routes::{Found, Routes};
pub use rule::{BodyRule, Route, RouteError, Rpc, field_at};
pub use template::Template;
pub(crate) use transcoder::{Call, Transcoder};
pub(crate) use upstreams::Upstreams;
