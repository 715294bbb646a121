//! The scheduler on real servers, driven only through what others see of it.

mod api;
mod leading;
mod support;
mod ticking;
