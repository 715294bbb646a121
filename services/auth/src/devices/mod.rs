//! Devices as principals: how one becomes known, gets its certificate and loses it.

mod claim;
mod enroll;
pub(crate) mod grpc;
mod store;

pub(crate) use enroll::{ENROLL, Enrolled, Enrolment, counted};
pub(crate) use store::insert_certificate;
