use hyper::StatusCode;
use yard_fault::{Code, Fault};

use super::event::{Event, OneEvent};
use super::problem::Problem;
use super::publish::STORE_AWAY;
use super::{Api, in_time};
use crate::app::App;
use crate::channel::Kind;
use crate::presence::Occupancy;

/// What somebody has said in a channel to see it arrive.
pub(crate) struct TestEvent {
    pub(crate) channel: String,
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Api {
    /// Says an event as a call of the app's server would, within the app's limits. Returns when the
    /// broker has it: how the channel stood just before.
    ///
    /// # Errors
    /// What such a call is refused with, as our own codes.
    pub(crate) async fn publish_test(
        &self,
        app: &App,
        test: TestEvent,
    ) -> Result<Occupancy, Fault> {
        self.say_test(app, test).await.map_err(fault)
    }

    async fn say_test(&self, app: &App, test: TestEvent) -> Result<Occupancy, Problem> {
        if !app.with_settings(|settings| settings.enabled) {
            return Err(Problem::malformed("the app is switched off; enable it first"));
        }
        let _turn = self.budgets.begin(app.id())?;
        let TestEvent { channel, event, data } = test;
        let event: Event = OneEvent::in_channel(channel, event, data).check(app)?;
        let Some(key) = event.channels.first() else {
            return Err(Problem::malformed("a test event is for one channel"));
        };
        if key.name.kind() == Kind::Encrypted {
            let problem = "what is said in an encrypted channel only the app's servers can write";
            return Err(Problem::malformed(problem));
        }
        let stand = async { self.rosters.read(key, false).await.map_err(|_error| STORE_AWAY) };
        let stand = in_time(stand).await?;
        self.publish(app, std::slice::from_ref(&event)).await?;
        Ok(stand)
    }
}

fn fault(problem: Problem) -> Fault {
    let Problem { status, error, retry_after, .. } = problem;
    let code = match status {
        StatusCode::FORBIDDEN => Code::ChannelForbidden,
        StatusCode::PAYLOAD_TOO_LARGE => Code::RequestTooLarge,
        StatusCode::TOO_MANY_REQUESTS => Code::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => Code::ServiceUnavailable,
        _ => Code::RequestInvalid,
    };
    let fault = Fault::new(code).with_public(error);
    match retry_after.filter(|_| code == Code::RateLimited) {
        Some(wait) => fault.with_retry_after(u32::try_from(wait.as_secs().max(1)).unwrap_or(1)),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn problem_of_the_api_is_a_fault_of_the_same_meaning() {
        for (problem, code) in [
            (Problem::malformed("x"), Code::RequestInvalid),
            (Problem::forbidden("x"), Code::ChannelForbidden),
            (Problem::too_large("x".to_owned()), Code::RequestTooLarge),
            (Problem::unavailable("x"), Code::ServiceUnavailable),
        ] {
            let fault = fault(problem);
            assert_eq!((fault.code(), fault.public(), fault.retry_after()), (code, "x", None));
        }
        let wait = fault(Problem::too_many("x", Duration::from_millis(1)));
        assert_eq!((wait.code(), wait.retry_after()), (Code::RateLimited, Some(1)));
    }
}
