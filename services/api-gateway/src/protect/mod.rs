//! What stands between the public network and the services: where a request may come from, how
//! many run at once, and what every answer tells a browser.

pub(crate) mod cors;
pub(crate) mod csrf;
pub(crate) mod headers;
mod limits;
mod origins;
mod proxies;

pub(crate) use limits::Limits;
pub(crate) use origins::Origins;
pub(crate) use proxies::Proxies;
