use crate::Class;

macro_rules! codes {
    ($($name:ident = $text:literal, $class:ident, $public:literal;)+) => {
        /// Every error that leaves the platform. Adding one needs a page `docs/errors/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $public] $name,)+
        }

        impl Code {
            /// All codes, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable string that callers compare with.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What the caller can do about it.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }

            /// One line for people, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $public,)+ }
            }
        }
    };
}

codes! {
    RequestMalformed = "request.malformed", Malformed, "The request could not be read.";
    RequestInvalid = "request.invalid", Invalid, "The request has a value that is not allowed.";
    RequestUnknownField = "request.unknown_field", Invalid, "The request has a field that does not exist.";
    RequestTooLarge = "request.too_large", TooLarge, "The request is larger than the limit.";
    RequestTooDeep = "request.too_deep", Malformed, "The request is nested deeper than the limit.";
    RequestTooManyMembers = "request.too_many_members", Malformed, "The request has more members and elements than the limit.";
    RequestUriTooLong = "request.uri_too_long", UriTooLong, "The address is longer than the limit.";
    RequestHeadersTooLarge = "request.headers_too_large", HeadersTooLarge, "The headers are more or larger than the limit.";
    RequestUnsupportedMediaType = "request.unsupported_media_type", Unsupported, "The content type is not taken here.";
    RouteNotFound = "route.not_found", NotFound, "There is nothing at this address.";
    RouteMethodNotAllowed = "route.method_not_allowed", MethodNotAllowed, "This address does not take this method.";
    AuthRequired = "auth.required", Unauthenticated, "Sign in first.";
    AuthInvalidCredentials = "auth.invalid_credentials", Unauthenticated, "E-mail, password or tenant is wrong.";
    AuthFactorInvalid = "auth.factor_invalid", Unauthenticated, "The code or key was not accepted.";
    AuthChallengeExpired = "auth.challenge_expired", Unauthenticated, "It took too long or too many tries; begin again.";
    AuthSessionExpired = "auth.session_expired", Unauthenticated, "The session has ended; sign in again.";
    AuthTokenInvalid = "auth.token_invalid", Unauthenticated, "The token is not valid.";
    AuthTokenRevoked = "auth.token_revoked", Unauthenticated, "What the token stands for has ended or changed.";
    AuthRefreshReuse = "auth.refresh_reuse", Unauthenticated, "A refresh token or an authorization code was used again; what came of it has ended.";
    AuthApiTokenInvalid = "auth.api_token_invalid", Unauthenticated, "The API token is unknown, expired or revoked.";
    AuthSessionRequired = "auth.session_required", Forbidden, "This needs a person's session; an API token is not enough.";
    AuthThrottled = "auth.throttled", RateLimited, "Too many attempts; wait before the next.";
    AuthForbidden = "auth.forbidden", Forbidden, "The permission for this is missing.";
    AuthTenantRequired = "auth.tenant_required", Forbidden, "This needs a session in a tenant.";
    AuthStepUpRequired = "auth.step_up_required", Forbidden, "Prove again who you are; the last time is too long ago for this.";
    AuthSecondFactorRequired = "auth.second_factor_required", Forbidden, "The organization requires a second factor; enrol or show one first.";
    AuthOwnSignInRequired = "auth.own_sign_in_required", Forbidden, "This is about your own account; sign in to it without the organization's identity provider.";
    AuthCsrfFailed = "auth.csrf_failed", Forbidden, "The request did not come from this site's own pages.";
    AccessBanned = "access.banned", Forbidden, "Access from here is blocked for a while.";
    BanOwn = "ban.own", Invalid, "The ban would keep you out yourself.";
    TenantUnknown = "tenant.unknown", NotFound, "There is no such tenant.";
    TenantStateConflict = "tenant.state_conflict", Conflict, "The tenant's state does not allow this.";
    TenantSuspended = "tenant.suspended", Forbidden, "The tenant is suspended.";
    FederationRefused = "federation.refused", Unauthenticated, "The sign-in by the identity provider was not accepted; begin again.";
    FederationNotLinked = "federation.not_linked", Forbidden, "No account here is linked to this identity.";
    FederationProviderFailed = "federation.provider_failed", Unavailable, "The identity provider does not do its part.";
    RightsBeyondOwn = "rights.beyond_own", Forbidden, "Nobody hands on what they do not hold, nor approves it for themselves.";
    RightsInUse = "rights.in_use", Conflict, "It is still held, or something still stands in it.";
    TenantExportMissing = "tenant.export_missing", Conflict, "Closing a tenant needs a finished export of it that is not older than a day.";
    LimitReached = "limit.reached", Conflict, "The tenant has as many as it may have.";
    ResourceNotFound = "resource.not_found", NotFound, "There is no such thing, or it is not yours.";
    ResourceExists = "resource.exists", Conflict, "Something of that name exists already.";
    ResourceStale = "resource.stale", Stale, "It was changed meanwhile; read it again.";
    PageTokenInvalid = "page.token_invalid", Invalid, "The page token is not one of ours.";
    IdempotencyKeyInvalid = "idempotency.key_invalid", Invalid, "The idempotency key has to be 1 to 128 visible ASCII characters.";
    IdempotencyKeyReused = "idempotency.key_reused", Conflict, "This idempotency key was used with another request.";
    EnrollmentCodeInvalid = "enrollment.code_invalid", Unauthenticated, "The claim code is unknown, used or expired.";
    EnrollmentCsrInvalid = "enrollment.csr_invalid", Invalid, "The certificate request is not acceptable.";
    EnrollmentFactoryRefused = "enrollment.factory_refused", Unauthenticated, "The manufacturer's certificate opens nothing here.";
    EnrollmentRenewalRefused = "enrollment.renewal_refused", Unauthenticated, "The certificate cannot be renewed.";
    LinkInvalid = "link.invalid", Invalid, "The link is unknown, used or past its time.";
    RegistrationClosed = "registration.closed", Forbidden, "Nobody registers an organization by themselves here.";
    MemberLastOwner = "member.last_owner", Conflict, "The tenant would be left without an owner.";
    KeyNotReady = "key.not_ready", Conflict, "The next key has not been published for long enough.";
    KeyRevoked = "key.revoked", Conflict, "The key is revoked already.";
    CertificateRevoked = "certificate.revoked", Conflict, "The certificate is revoked already.";
    DeviceUnknown = "device.unknown", NotFound, "There is no such device.";
    DeviceCertificateRefused = "device.certificate_refused", Unauthenticated, "The broker did not accept the certificate of a connection.";
    DeviceQuarantined = "device.quarantined", Forbidden, "The device renewed its certificate too late; an operator has to approve it.";
    DeviceContractUnknown = "device.contract_unknown", Invalid, "There is no such contract.";
    ContractSchemaInvalid = "contract.schema_invalid", Invalid, "A schema of the contract is not a valid JSON Schema.";
    TelemetryMalformed = "telemetry.malformed", Malformed, "The message is not a JSON object.";
    TelemetryInvalidUtf8 = "telemetry.invalid_utf8", Malformed, "The message is not UTF-8.";
    TelemetryTooLarge = "telemetry.too_large", TooLarge, "The message is larger than 256 KiB.";
    TelemetryTooDeep = "telemetry.too_deep", Malformed, "The message is nested deeper than 24 levels.";
    TelemetryUnknownField = "telemetry.unknown_field", Invalid, "The message has a field that its contract does not know.";
    TelemetryTypeMismatch = "telemetry.type_mismatch", Invalid, "A value is of another type than its contract says.";
    TelemetryOutOfRange = "telemetry.out_of_range", Invalid, "A value is outside the range of its contract.";
    TelemetryMissingField = "telemetry.missing_field", Invalid, "A field that the contract requires is missing.";
    TelemetryContractViolated = "telemetry.contract_violated", Invalid, "The values do not fit the contract.";
    TelemetryTimestampMissing = "telemetry.timestamp_missing", Invalid, "The message does not say when it was measured.";
    TelemetryTimestampSkewed = "telemetry.timestamp_skewed", Invalid, "The message's time is more than 10 minutes ahead or 7 days back.";
    TelemetryTopicForeign = "telemetry.topic_foreign", Forbidden, "The topic is not one of a device's own.";
    CommandUnknownKind = "command.unknown_kind", Invalid, "The device's contract has no such command.";
    CommandArgumentsInvalid = "command.arguments_invalid", Invalid, "The arguments do not fit the command's schema.";
    CommandNotCancellable = "command.not_cancellable", Conflict, "The device has the command already, or it has ended.";
    CommandReportInvalid = "command.report_invalid", Invalid, "The device's report on a command could not be used.";
    ChannelInvalid = "channel.invalid", Invalid, "There is no channel of that name.";
    ChannelForbidden = "channel.forbidden", Forbidden, "The channel is not yours to join.";
    ScheduleUnknown = "schedule.unknown", NotFound, "There is no such schedule.";
    WebhookUndelivered = "webhook.undelivered", Unavailable, "The receiver of a webhook does not take a call.";
    JobKindUnknown = "job.kind_unknown", Invalid, "No worker knows this kind of job.";
    AuditUnavailable = "audit.unavailable", Unavailable, "The call could not be recorded, so it was not carried out.";
    RateLimited = "rate.limited", RateLimited, "Too many requests; wait before the next.";
    RateConcurrency = "rate.concurrency", RateLimited, "Too many requests at the same time from one address.";
    ServiceMaintenance = "service.maintenance", Unavailable, "The platform is being maintained.";
    ServiceOverloaded = "service.overloaded", Unavailable, "There is more to do than this instance can carry; less urgent calls wait.";
    ServiceTimeout = "service.timeout", Timeout, "It took too long; whether it was done is not known.";
    ServiceUnavailable = "service.unavailable", Unavailable, "A part of the platform does not answer at present.";
    ServiceDraining = "service.draining", Draining, "This instance is leaving; another will answer.";
    Internal = "internal", Internal, "Something went wrong on our side.";
}

impl Code {
    /// The code of a stable string.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Whether somebody or something decided that it be so: nothing to warn of each time.
    #[must_use]
    pub const fn is_deliberate(self) -> bool {
        matches!(self, Self::ServiceMaintenance | Self::ServiceOverloaded)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_read_back() {
        let texts: HashSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::from_text(code.as_str()), Some(*code));
        }
    }
}
