//! How people come into a tenant.

mod accept;
pub(super) mod grpc;
mod manage;
mod store;

use time::Duration;

/// How long a link is good.
const GOOD_FOR: Duration = Duration::days(7);
/// One address gets no mail sooner after another of the same tenant.
const PAUSE: Duration = Duration::minutes(2);
/// Open invitations of a tenant.
const MOST_OPEN: i64 = 100;
/// Mails of a tenant in a day: nobody's mail server becomes a stranger's.
const MOST_A_DAY: i64 = 300;
/// How long one past its time is listed.
const LISTED_FOR: Duration = Duration::days(90);
