/// Why this side ends a connection. The codes are Pusher's by range (4000–4099: do not come back,
/// 4100–4199: come back after a pause, 4200–4299: come back at once) and RFC 6455's below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    TlsOnly,
    UnknownApp,
    AppDisabled,
    OverQuota,
    PathNotFound,
    VersionMalformed,
    VersionUnsupported,
    VersionMissing,
    OriginRefused,
    TicketRefused,
    SigninRefused,
    SessionEnded,
    Terminated,
    Unavailable,
    AccessChanged,
    OverCapacity,
    TooSlow,
    Draining,
    PongMissing,
    FrameMalformed,
    BinaryRefused,
    NotUtf8,
    TooLarge,
}

impl Closing {
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::TlsOnly => 4000,
            Self::UnknownApp => 4001,
            Self::AppDisabled => 4003,
            Self::OverQuota => 4004,
            Self::PathNotFound => 4005,
            Self::VersionMalformed => 4006,
            Self::VersionUnsupported => 4007,
            Self::VersionMissing => 4008,
            Self::OriginRefused
            | Self::TicketRefused
            | Self::SigninRefused
            | Self::SessionEnded
            | Self::Terminated => 4009,
            Self::OverCapacity | Self::TooSlow | Self::Unavailable => 4100,
            Self::Draining | Self::AccessChanged => 4200,
            Self::PongMissing => 4201,
            Self::FrameMalformed => 1002,
            Self::BinaryRefused => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
        }
    }

    /// For people who read their client's log; at most 123 bytes fit a close frame.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::TlsOnly => "only TLS is spoken here; come again by wss",
            Self::UnknownApp => "there is no app of this key",
            Self::AppDisabled => "the app is switched off",
            Self::OverQuota => "the app has as many sockets as it may",
            Self::PathNotFound => "sockets are served at /app/{key}",
            Self::VersionMalformed => "the protocol version is not a number",
            Self::VersionUnsupported => "only protocol versions 6 and 7 are spoken here",
            Self::VersionMissing => "the address names no protocol version",
            Self::OriginRefused => "pages of this origin may not connect",
            Self::TicketRefused => "the ticket is missing, used or too old",
            Self::SigninRefused => "the sign-in is not signed by the app, or names nobody",
            Self::SessionEnded => "the session has ended",
            Self::Terminated => "the app has ended this user's connections",
            Self::Unavailable => "the app could not be looked up; connect again",
            Self::AccessChanged => "what this session may do has changed; connect again",
            Self::OverCapacity => "this instance is full",
            Self::TooSlow => "events were read too slowly",
            Self::Draining => "this instance is leaving; connect again",
            Self::PongMissing => "no sign of life",
            Self::FrameMalformed => "not a WebSocket frame",
            Self::BinaryRefused => "only text messages are taken",
            Self::NotUtf8 => "a text message was not UTF-8",
            Self::TooLarge => "a message was larger than the limit",
        }
    }

    /// Label of the metric.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::TlsOnly => "plain",
            Self::UnknownApp => "unknown_app",
            Self::AppDisabled => "app_disabled",
            Self::OverQuota => "quota",
            Self::PathNotFound => "path",
            Self::VersionMalformed | Self::VersionUnsupported | Self::VersionMissing => "version",
            Self::OriginRefused => "origin",
            Self::TicketRefused => "ticket",
            Self::SigninRefused => "signin",
            Self::SessionEnded => "session",
            Self::Terminated => "terminated",
            Self::Unavailable => "unavailable",
            Self::AccessChanged => "access",
            Self::OverCapacity => "capacity",
            Self::TooSlow => "slow",
            Self::Draining => "drain",
            Self::PongMissing => "silent",
            Self::FrameMalformed => "frame",
            Self::BinaryRefused => "binary",
            Self::NotUtf8 => "utf8",
            Self::TooLarge => "size",
        }
    }
}
