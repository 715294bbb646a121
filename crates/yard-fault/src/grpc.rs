use tonic::metadata::{MetadataMap, MetadataValue};

use crate::{Class, Code, Fault};

/// Response metadata that carries [`Code::as_str`].
pub const CODE_METADATA: &str = "yard-code";
/// Response metadata that carries the id under which the log has the rest.
pub const INCIDENT_METADATA: &str = "yard-incident";
/// Response metadata that carries a JSON pointer.
pub const POINTER_METADATA: &str = "yard-pointer";
/// Response metadata that carries the seconds of [`Fault::max_auth_age`].
pub const MAX_AUTH_AGE_METADATA: &str = "yard-max-auth-age";
/// Response metadata that carries the seconds of [`Fault::retry_after`].
pub const RETRY_AFTER_METADATA: &str = "retry-after";

impl Fault {
    /// The gRPC status, with the code (and pointer) in its metadata.
    #[must_use]
    pub fn to_status(&self, incident: &str) -> tonic::Status {
        let mut metadata = MetadataMap::new();
        metadata.insert(CODE_METADATA, MetadataValue::from_static(self.code().as_str()));
        for (key, text) in [(INCIDENT_METADATA, Some(incident)), (POINTER_METADATA, self.pointer())]
        {
            if let Some(value) = text.and_then(|t| t.parse().ok()) {
                metadata.insert(key, value);
            }
        }
        if let Some(seconds) = self.max_auth_age() {
            metadata.insert(MAX_AUTH_AGE_METADATA, seconds.into());
        }
        if let Some(seconds) = self.retry_after() {
            metadata.insert(RETRY_AFTER_METADATA, seconds.into());
        }
        tonic::Status::with_metadata(self.class().grpc_code(), self.public(), metadata)
    }

    /// What another service answered. A status without our code keeps its class, not its words.
    #[must_use]
    pub fn from_status(status: &tonic::Status) -> Self {
        let text = |key| status.metadata().get(key).and_then(|v| v.to_str().ok());
        let Some(code) = text(CODE_METADATA).and_then(Code::from_text) else {
            return Self::new(code_of(Class::from_grpc(status.code())))
                .with_detail(status.message().to_owned());
        };
        let mut fault = Self::new(code).with_public(status.message());
        if let Some(pointer) = text(POINTER_METADATA) {
            fault = fault.with_pointer(pointer);
        }
        if let Some(seconds) = text(MAX_AUTH_AGE_METADATA).and_then(|s| s.parse().ok()) {
            fault = fault.with_max_auth_age(seconds);
        }
        if let Some(seconds) = text(RETRY_AFTER_METADATA).and_then(|s| s.parse().ok()) {
            fault = fault.with_retry_after(seconds);
        }
        fault
    }
}

/// The most general code of a class.
const fn code_of(class: Class) -> Code {
    match class {
        Class::Malformed => Code::RequestMalformed,
        Class::Invalid => Code::RequestInvalid,
        Class::TooLarge => Code::RequestTooLarge,
        Class::UriTooLong => Code::RequestUriTooLong,
        Class::HeadersTooLarge => Code::RequestHeadersTooLarge,
        Class::Unsupported => Code::RequestUnsupportedMediaType,
        Class::Unauthenticated => Code::AuthTokenInvalid,
        Class::Forbidden => Code::AuthForbidden,
        Class::NotFound => Code::ResourceNotFound,
        Class::MethodNotAllowed => Code::RouteMethodNotAllowed,
        Class::Conflict => Code::ResourceExists,
        Class::Stale => Code::ResourceStale,
        Class::RateLimited => Code::RateLimited,
        Class::Timeout => Code::ServiceTimeout,
        Class::Unavailable => Code::ServiceUnavailable,
        Class::Draining => Code::ServiceDraining,
        Class::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_way_through_grpc() {
        for code in Code::ALL {
            let fault = Fault::new(*code).with_public("words").with_pointer("/a/b");
            let fault = fault.with_max_auth_age(600).with_retry_after(90);
            let back = Fault::from_status(&fault.to_status("incident-1"));
            assert_eq!(
                (back.code(), back.public(), back.pointer(), back.max_auth_age()),
                (*code, "words", Some("/a/b"), Some(600))
            );
            assert_eq!(back.retry_after(), Some(90));
        }
    }

    #[test]
    fn foreign_status_keeps_its_class_and_loses_its_words() {
        let back = Fault::from_status(&tonic::Status::unavailable("dns: secret.internal"));
        assert_eq!(back.code(), Code::ServiceUnavailable);
        assert!(!back.public().contains("secret"));
    }
}
