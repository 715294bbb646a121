//! What stands between the public network and the services: where a request may come from, and
//! what every answer tells a browser.

pub(crate) mod cors;
pub(crate) mod csrf;
pub(crate) mod headers;
mod origins;
mod proxies;

pub(crate) use origins::Origins;
pub use proxies::ForwardedHeader;
pub(crate) use proxies::{Origin, Proxies};
