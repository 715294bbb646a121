//! The worker on real servers, driven only through what others see of it.

mod jobs;
mod queries;
mod support;
mod writer;
