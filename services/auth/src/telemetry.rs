//! Names of auth's metrics, each written in one place. None has a label for a tenant or a person.

use time::OffsetDateTime;

/// How a sign-in ended.
pub(crate) fn login(outcome: &'static str) {
    metrics::counter!("yard_auth_logins_total", "outcome" => outcome).increment(1);
}

/// How a sign-in by a tenant's identity provider ended.
pub(crate) fn federated(outcome: &'static str) {
    metrics::counter!("yard_auth_federated_sign_ins_total", "outcome" => outcome).increment(1);
}

/// Somebody in a session proved again who they are, or failed to.
pub(crate) fn reauthentication(outcome: &'static str) {
    metrics::counter!("yard_auth_reauthentications_total", "outcome" => outcome).increment(1);
}

/// Whether a second factor was taken.
pub(crate) fn factor(kind: &'static str, outcome: &'static str) {
    metrics::counter!("yard_auth_factors_total", "kind" => kind, "outcome" => outcome).increment(1);
}

/// An authenticator's counter did not go on: its passkey may have been copied.
pub(crate) fn passkey_counter_went_back() {
    metrics::counter!("yard_auth_passkey_counter_failures_total").increment(1);
}

/// Shared login limits could not be asked, so this process counted an attempt by itself.
pub(crate) fn throttle_unavailable() {
    metrics::counter!("yard_auth_throttle_unavailable_total").increment(1);
}

/// How long a sign-in waited for its password check, seconds.
pub(crate) fn hashing_wait(seconds: f64) {
    metrics::histogram!("yard_auth_hashing_wait_seconds").record(seconds);
}

/// How the exchange of a session for an access token ended.
pub(crate) fn exchange(outcome: &'static str) {
    metrics::counter!("yard_auth_session_exchanges_total", "outcome" => outcome).increment(1);
}

/// What became of a grant to an OAuth client.
pub(crate) fn grant(outcome: &'static str) {
    metrics::counter!("yard_auth_oauth_grants_total", "outcome" => outcome).increment(1);
}

/// What became of somebody's wish for a tenant.
pub(crate) fn registration(outcome: &'static str) {
    metrics::counter!("yard_auth_registrations_total", "outcome" => outcome).increment(1);
}

/// How an enrolment ended.
pub(crate) fn enrolment(outcome: &'static str) {
    metrics::counter!("yard_auth_enrolments_total", "outcome" => outcome).increment(1);
}

/// Revocations that are in the feed now.
pub(crate) fn feed_published(count: usize) {
    metrics::counter!("yard_auth_revocations_published_total").increment(count as u64);
}

/// The feed could not be written; it is tried again.
pub(crate) fn feed_failure() {
    metrics::counter!("yard_auth_revocation_feed_failures_total").increment(1);
}

/// Another signing key took over.
pub(crate) fn key_rotated() {
    metrics::counter!("yard_auth_key_rotations_total").increment(1);
}

/// A device certificate was signed and stored.
pub(crate) fn certificate_issued() {
    metrics::counter!("yard_auth_certificates_issued_total").increment(1);
}

/// How a renewal ended.
pub(crate) fn renewal(outcome: &'static str) {
    metrics::counter!("yard_auth_renewals_total", "outcome" => outcome).increment(1);
}

/// Devices that wait for an operator, and standings that device-ingest does not know yet.
pub(crate) fn standings(waiting: i64, untold: usize) {
    let waiting = f64::from(u32::try_from(waiting).unwrap_or(u32::MAX));
    metrics::gauge!("yard_auth_quarantined_devices").set(waiting);
    let untold = f64::from(u32::try_from(untold).unwrap_or(u32::MAX));
    metrics::gauge!("yard_auth_standings_pending").set(untold);
}

/// A device certificate was revoked.
pub(crate) fn certificate_revoked() {
    metrics::counter!("yard_auth_certificates_revoked_total").increment(1);
}

/// A revocation list is in force.
pub(crate) fn revocation_list(number: i64, next_update: OffsetDateTime) {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let (number, next_update) = (number as f64, next_update.unix_timestamp() as f64);
    metrics::gauge!("yard_auth_crl_number").set(number);
    metrics::gauge!("yard_auth_crl_next_update_timestamp_seconds").set(next_update);
}

/// The revocation list could not be renewed or written; it is tried again.
pub(crate) fn revocation_list_failure() {
    metrics::counter!("yard_auth_crl_failures_total").increment(1);
}

/// Seconds until the revocation list expires; below zero it has.
pub(crate) fn revocation_list_age(left: time::Duration) {
    metrics::gauge!("yard_auth_crl_seconds_left").set(left.as_seconds_f64());
}

/// Revoked certificates that may still be connected.
pub(crate) fn revocations_pending(count: usize) {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    metrics::gauge!("yard_auth_revocations_pending").set(count);
}

/// A revocation was carried out at the broker, so many seconds after it was asked for.
pub(crate) fn revocation_enforced(seconds: f64) {
    metrics::histogram!("yard_auth_revocation_enforced_seconds").record(seconds);
}

/// Entries were added to chains.
pub(crate) fn audit_entries(count: usize) {
    metrics::counter!("yard_audit_entries_total").increment(count as u64);
}

/// Announced calls whose end nobody told.
pub(crate) fn audit_unknown(count: usize) {
    metrics::counter!("yard_audit_unknown_total").increment(count as u64);
}

/// Chains that are not whole.
pub(crate) fn audit_problems(count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    metrics::gauge!("yard_audit_chain_problems").set(count as f64);
}

/// How old the newest signed root is.
pub(crate) fn audit_root_age(age: time::Duration) {
    metrics::gauge!("yard_audit_root_age_seconds").set(age.as_seconds_f64());
}

/// No root could be signed; it is tried again.
pub(crate) fn audit_root_failure() {
    metrics::counter!("yard_audit_root_failures_total").increment(1);
}

/// Entries were taken out after their retention.
pub(crate) fn audit_pruned(count: i64) {
    metrics::counter!("yard_audit_pruned_total").increment(u64::try_from(count).unwrap_or(0));
}

/// Mails came to an end: sent, refused or expired.
pub(crate) fn mails_ended(outcome: &'static str, count: u64) {
    metrics::counter!("yard_auth_mails_total", "outcome" => outcome).increment(count);
}

/// A mail could not be sent yet; it is tried again.
pub(crate) fn mail_put_off() {
    metrics::counter!("yard_auth_mail_retries_total").increment(1);
}

/// Mails that wait to be sent.
pub(crate) fn mails_waiting(count: i64) {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    metrics::gauge!("yard_auth_mails_waiting").set(count as f64);
}

/// Rows of what is over were taken out.
pub(crate) fn taken_out(kind: &'static str, count: u64) {
    metrics::counter!("yard_auth_taken_out_total", "kind" => kind).increment(count);
}

/// What became of a request by RADIUS.
pub(crate) fn radius_decision(outcome: &'static str) {
    metrics::counter!("yard_auth_radius_decisions_total", "outcome" => outcome).increment(1);
}

/// A RADIUS server asked who an address is.
pub(crate) fn radius_client(outcome: &'static str) {
    metrics::counter!("yard_auth_radius_clients_total", "outcome" => outcome).increment(1);
}
