/// What a caller can do about an error; decides its status on every transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The text could not be read at all.
    Malformed,
    /// Read, but wrong.
    Invalid,
    /// Larger than the stated limit.
    TooLarge,
    /// The address is longer than the stated limit.
    UriTooLong,
    /// The headers are more or larger than the stated limit.
    HeadersTooLarge,
    /// Of a kind that is not taken.
    Unsupported,
    /// Not signed in, or no longer.
    Unauthenticated,
    /// Signed in, without the right.
    Forbidden,
    /// Not there, or not the caller's to know of.
    NotFound,
    /// The method is not offered there.
    MethodNotAllowed,
    /// Contradicts what is stored.
    Conflict,
    /// Was made against an older state.
    Stale,
    /// Too many; later.
    RateLimited,
    /// Took too long; the outcome is not known.
    Timeout,
    /// A part that is needed does not answer.
    Unavailable,
    /// This instance is leaving.
    Draining,
    /// Our fault.
    Internal,
}

/// What a JetStream consumer does with a message that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckDecision {
    /// It will never work: to the dead letters.
    DeadLetter,
    /// It was already applied.
    Ack,
    /// Again, after a delay that grows.
    RetryLater,
    /// Again at once, elsewhere.
    RetryNow,
}

impl Class {
    /// Every class, for tests that go through the table.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::Invalid,
        Self::TooLarge,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::Unsupported,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Stale,
        Self::RateLimited,
        Self::Timeout,
        Self::Unavailable,
        Self::Draining,
        Self::Internal,
    ];

    /// HTTP status (RFC 9110).
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Invalid => 422,
            Self::TooLarge => 413,
            Self::UriTooLong => 414,
            Self::HeadersTooLarge => 431,
            Self::Unsupported => 415,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::Stale => 412,
            Self::RateLimited => 429,
            Self::Timeout => 504,
            Self::Unavailable | Self::Draining => 503,
            Self::Internal => 500,
        }
    }

    /// gRPC status code.
    #[must_use]
    pub const fn grpc_code(self) -> tonic::Code {
        match self {
            Self::Malformed
            | Self::Invalid
            | Self::TooLarge
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::Unsupported => tonic::Code::InvalidArgument,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::MethodNotAllowed => tonic::Code::Unimplemented,
            Self::Conflict => tonic::Code::FailedPrecondition,
            Self::Stale => tonic::Code::Aborted,
            Self::RateLimited => tonic::Code::ResourceExhausted,
            Self::Timeout => tonic::Code::DeadlineExceeded,
            Self::Unavailable | Self::Draining => tonic::Code::Unavailable,
            Self::Internal => tonic::Code::Internal,
        }
    }

    /// What becomes of a JetStream message whose handling failed so.
    #[must_use]
    pub const fn ack_decision(self) -> AckDecision {
        match self {
            Self::Conflict => AckDecision::Ack,
            Self::Stale
            | Self::RateLimited
            | Self::Timeout
            | Self::Unavailable
            | Self::Internal => AckDecision::RetryLater,
            Self::Draining => AckDecision::RetryNow,
            Self::Malformed
            | Self::Invalid
            | Self::TooLarge
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::Unsupported
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed => AckDecision::DeadLetter,
        }
    }

    /// Close or error code of the Pusher protocol, by its ranges: 4000–4099 do not reconnect,
    /// 4100–4199 reconnect after a pause, 4200–4299 reconnect at once, 4300–4399 for one event.
    #[must_use]
    pub const fn pusher_code(self) -> u16 {
        match self {
            Self::Unauthenticated | Self::Forbidden => 4009,
            Self::RateLimited => 4301,
            Self::Timeout | Self::Unavailable => 4100,
            Self::Draining => 4200,
            Self::Malformed
            | Self::Invalid
            | Self::TooLarge
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::Unsupported
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::Stale
            | Self::Internal => 4000,
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Stale | Self::RateLimited | Self::Timeout | Self::Unavailable | Self::Draining
        )
    }

    /// Where the class of a gRPC status without one of our codes is guessed from.
    #[must_use]
    pub const fn from_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument => Self::Invalid,
            // What tonic itself says of a message beyond a server's limit.
            tonic::Code::OutOfRange => Self::TooLarge,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::Forbidden,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::AlreadyExists | tonic::Code::FailedPrecondition => Self::Conflict,
            tonic::Code::Aborted => Self::Stale,
            tonic::Code::ResourceExhausted => Self::RateLimited,
            tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Self::Timeout,
            tonic::Code::Unavailable => Self::Unavailable,
            tonic::Code::Unimplemented => Self::MethodNotAllowed,
            tonic::Code::Ok
            | tonic::Code::Unknown
            | tonic::Code::Internal
            | tonic::Code::DataLoss => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_maps_to_an_error_status_on_every_transport() {
        for class in Class::ALL {
            assert!((400..600).contains(&class.http_status()), "{class:?}");
            assert_ne!(class.grpc_code(), tonic::Code::Ok, "{class:?}");
            assert!((4000..4400).contains(&class.pusher_code()), "{class:?}");
        }
    }

    #[test]
    fn retryable_classes_are_never_dead_lettered() {
        for class in Class::ALL.into_iter().filter(|c| c.is_retryable()) {
            assert_ne!(class.ack_decision(), AckDecision::DeadLetter, "{class:?}");
        }
    }
}
