//! The worker on real servers, driven only through what others see of it.

#![expect(clippy::unwrap_used, reason = "in a test's helpers as in its body")]

mod jobs;
mod queries;
mod support;
mod webhooks;
mod writer;
