//! The scheduler on real servers, driven only through what others see of it.

#![expect(clippy::unwrap_used, reason = "in a test's helpers as in its body")]

mod api;
mod leading;
mod support;
mod ticking;
