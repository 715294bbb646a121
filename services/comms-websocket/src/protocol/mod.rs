//! The Pusher protocol's messages, as text. Nothing here knows of sockets.

mod closing;
mod incoming;
mod outgoing;

pub(crate) use closing::Closing;
pub(crate) use incoming::{ClientEvent, Incoming, Signin, Subscribe};
pub(crate) use outgoing::{
    PING, PONG, accepted, cache_miss, channel_event, client_event, error, established,
    member_added, member_removed, notice, position, recovery, refused, roster, signin_success,
    subscription_count, subscription_error, subscription_succeeded,
};

/// `digits.digits`, as every socket is named.
pub(crate) fn is_socket_id(text: &str) -> bool {
    let digits =
        |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(a, b)| digits(a) && digits(b))
}

#[cfg(test)]
mod tests {
    use super::is_socket_id;

    #[test]
    fn socket_id_is_two_numbers() {
        assert!(is_socket_id("1.2") && is_socket_id("18446744073709551615.0"));
        for text in ["", ".", "1", "1.", ".1", "1.2.3", "1.a", "1:2", "-1.2", " 1.2"] {
            assert!(!is_socket_id(text), "{text}");
        }
    }
}
