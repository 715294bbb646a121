//! What is stored, for people and for senders that check. Every answer is made under the caller's
//! tenant: a device of another tenant looks exactly like one that never was.

mod grpc;
mod readings;
mod report;
mod request;
mod series;

pub(crate) use grpc::TelemetryApi;
