use http::Method;
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use crate::app::AppId;

/// What is called, and of which app.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// `None` where the address names none: it is the app of the call's `auth_key`.
    pub(super) app: Option<AppId>,
    pub(super) call: Call,
    /// The path as it is meant.
    pub(super) decoded: String,
}

/// A call of the API.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    Events,
    BatchEvents,
    Channels,
    Channel(String),
    Users(String),
    /// A confirmed message.
    Message(String),
    /// Ends the connections of a user.
    Terminate(String),
}

/// Whether an address is one of the API's.
pub(super) fn is_served(path: &str) -> bool {
    path.starts_with("/apps/") || path.starts_with("/users/")
}

impl Route {
    pub(super) fn find(method: &Method, path: &str) -> Result<Self, Problem> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8().map(String::from);
        let parts: Result<Vec<String>, _> = path.split('/').skip(1).map(decode).collect();
        let parts = parts.map_err(|_not_utf8| UNKNOWN)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (app, rest) = match *parts {
            ["apps", id, ref rest @ ..] => (Some(app_id(id).ok_or(NO_APP)?), rest),
            // As the `pusher` of PyPI writes it.
            ["users", _, "terminate_connections"] => (None, parts.as_slice()),
            _ => return Err(UNKNOWN),
        };
        let (takes, call) = Call::find(rest).ok_or(UNKNOWN)?;
        if *method != takes {
            return Err(Problem::method());
        }
        Ok(Self { app, call, decoded: format!("/{}", parts.join("/")) })
    }
}

impl Call {
    fn find(parts: &[&str]) -> Option<(Method, Self)> {
        Some(match *parts {
            ["events"] => (Method::POST, Self::Events),
            ["batch_events"] => (Method::POST, Self::BatchEvents),
            ["channels"] => (Method::GET, Self::Channels),
            ["channels", name] if !name.is_empty() => (Method::GET, Self::Channel(name.to_owned())),
            ["channels", name, "users"] => (Method::GET, Self::Users(name.to_owned())),
            ["messages", id] if !id.is_empty() => (Method::GET, Self::Message(id.to_owned())),
            ["users", user, "terminate_connections"] if !user.is_empty() => {
                (Method::POST, Self::Terminate(user.to_owned()))
            }
            _ => return None,
        })
    }

    /// Label of the metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::BatchEvents => "batch_events",
            Self::Channels => "channels",
            Self::Channel(_) => "channel",
            Self::Users(_) => "users",
            Self::Message(_) => "message",
            Self::Terminate(_) => "terminate_connections",
        }
    }
}

/// Digits, as it is written: other spellings of a number are no second name of an app.
fn app_id(text: &str) -> Option<AppId> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then(|| AppId::new(number))
}

pub(super) const NO_APP: Problem = Problem::not_found("there is no app of this number");
const UNKNOWN: Problem = Problem::not_found("nothing here");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The app's number is 0 where the address names none.
    fn find(method: &Method, path: &str) -> Result<(u64, Call), u16> {
        Route::find(method, path)
            .map(|route| (route.app.map_or(0, AppId::number), route.call))
            .map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn each_call_has_its_address_and_method() {
        let (get, post) = (Method::GET, Method::POST);
        let text = |text: &str| text.to_owned();
        let cases = [
            (&post, "/apps/3/events", 3, Call::Events),
            (&post, "/apps/3/batch_events", 3, Call::BatchEvents),
            (&get, "/apps/3/channels", 3, Call::Channels),
            (&get, "/apps/3/channels/a,b", 3, Call::Channel(text("a,b"))),
            (
                &get,
                "/apps/3/channels/%23server-to-user-1",
                3,
                Call::Channel(text("#server-to-user-1")),
            ),
            (&get, "/apps/3/channels/presence-a/users", 3, Call::Users(text("presence-a"))),
            (&get, "/apps/3/messages/7", 3, Call::Message(text("7"))),
            (&post, "/apps/3/users/a%20b/terminate_connections", 3, Call::Terminate(text("a b"))),
            (&post, "/users/a%20b/terminate_connections", 0, Call::Terminate(text("a b"))),
        ];
        for (method, path, app, call) in cases {
            assert_eq!(find(method, path), Ok((app, call)), "{path}");
            let other = if method == get { &post } else { &get };
            assert_eq!(find(other, path), Err(405), "{path}");
            assert_eq!(find(&Method::DELETE, path), Err(405), "{path}");
            assert_eq!(find(method, &format!("{path}/")), Err(404), "{path}");
        }
    }

    #[test]
    fn any_other_address_is_not_found() {
        for path in [
            "/apps/",
            "/apps/3",
            "/apps/3/",
            "/apps//events",
            "/apps/x/events",
            "/apps/03/events",
            "/apps/+3/events",
            "/apps/-1/events",
            "/apps/18446744073709551616/events",
            "/apps/3/event",
            "/apps/3/events/x",
            "/x/apps/3/events",
            "/users/7",
            "/apps/3/users//terminate_connections",
            "/apps/3/users/7",
            "/users/7/x",
            "/apps/3/channels/a/members",
            "/apps/3/channels/%ff",
            "/users//terminate_connections/x",
        ] {
            assert_eq!(find(&Method::POST, path), Err(404), "{path}");
        }
    }

    /// Fuzz target: an address that is found names what its escaped form means.
    #[test]
    fn fuzz_damaged_addresses_are_found_or_refused() {
        let good: Vec<Vec<u8>> = [
            "/apps/3/events",
            "/apps/3/channels/presence-a%2Cb/users",
            "/apps/18446744073709551615/users/a%20b/terminate_connections",
            "/users/a%20b/terminate_connections",
        ]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
        let mut found = 0;
        yard_testkit::hammer(&good, 30_000, |input| {
            let Ok(path) = std::str::from_utf8(input) else { return };
            for method in [Method::GET, Method::POST] {
                if let Ok(route) = Route::find(&method, path) {
                    let start = match route.app {
                        Some(app) => format!("/apps/{}/", app.number()),
                        None => "/users/".to_owned(),
                    };
                    assert!(route.decoded.starts_with(&start), "{path}");
                    found += 1;
                }
            }
        });
        assert!(found > 100, "{found}");
    }

    proptest! {
        #[test]
        fn find_never_panics(path in "/(apps|users)/.{0,80}") {
            drop(Route::find(&Method::POST, &path));
        }
    }
}
