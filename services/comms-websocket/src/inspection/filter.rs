use yard_contracts::realtime::v1::{
    RealtimeTraceEvent, RealtimeTraceKind, TraceRealtimeAppRequest,
};
use yard_fault::Fault;

use super::wishes;

/// Longest name of an event that can be asked for, characters.
const LONGEST_EVENT: usize = 200;

/// What of an app is traced.
#[derive(Debug, Default)]
pub(super) struct Filter {
    prefix: String,
    event: String,
    /// None for all.
    kinds: Vec<RealtimeTraceKind>,
}

impl Filter {
    pub(super) fn read(request: &TraceRealtimeAppRequest) -> Result<Self, Fault> {
        let prefix = wishes::prefix(&request.channel_prefix, "/channel_prefix")?.to_owned();
        if request.event.chars().count() > LONGEST_EVENT {
            let fault = Fault::invalid("the name of an event has at most 200 characters");
            return Err(fault.with_pointer("/event"));
        }
        let known = |kind: &i32| match RealtimeTraceKind::try_from(*kind) {
            Ok(RealtimeTraceKind::Unspecified | RealtimeTraceKind::LeftOut) | Err(_) => {
                Err(Fault::invalid("there is no such kind to ask for").with_pointer("/kinds"))
            }
            Ok(kind) => Ok(kind),
        };
        let kinds = request.kinds.iter().map(known).collect::<Result<_, _>>()?;
        Ok(Self { prefix, event: request.event.clone(), kinds })
    }

    /// Whether anything of this channel may be wanted: what is not need not be read.
    pub(super) fn wants_channel(&self, channel: &str) -> bool {
        channel.starts_with(&self.prefix)
    }

    pub(super) fn wants_kind(&self, kind: RealtimeTraceKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    pub(super) fn wants(&self, event: &RealtimeTraceEvent) -> bool {
        let is_event =
            matches!(event.kind(), RealtimeTraceKind::Event | RealtimeTraceKind::ClientEvent);
        self.wants_kind(event.kind())
            && self.wants_channel(&event.channel)
            && (self.event.is_empty() || is_event && event.event == self.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(prefix: &str, event: &str, kinds: &[RealtimeTraceKind]) -> Result<Filter, Fault> {
        Filter::read(&TraceRealtimeAppRequest {
            channel_prefix: prefix.to_owned(),
            event: event.to_owned(),
            kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
            ..TraceRealtimeAppRequest::default()
        })
    }

    fn event(kind: RealtimeTraceKind, channel: &str, event: &str) -> RealtimeTraceEvent {
        RealtimeTraceEvent {
            kind: kind.into(),
            channel: channel.to_owned(),
            event: event.to_owned(),
            ..RealtimeTraceEvent::default()
        }
    }

    #[test]
    fn channel_name_and_kind_all_have_to_fit() {
        use RealtimeTraceKind::{ClientEvent, Connection, Event, Subscription};
        let said = event(Event, "private-orders", "order.shipped");
        let joined = event(Subscription, "private-orders", "joined");
        let opened = event(Connection, "", "opened");
        for (prefix, name, kinds, wanted) in [
            ("", "", &[][..], [true, true, true]),
            ("private-", "", &[], [true, true, false]),
            ("public", "", &[], [false, false, false]),
            ("", "order.shipped", &[], [true, false, false]),
            ("", "order", &[], [false, false, false]),
            // What is no event has no name, whatever it is called.
            ("", "joined", &[], [false, false, false]),
            ("", "", &[ClientEvent, Connection], [false, false, true]),
            ("", "", &[Subscription], [false, true, false]),
        ] {
            let filter = filter(prefix, name, kinds).unwrap();
            let found = [&said, &joined, &opened].map(|event| filter.wants(event));
            assert_eq!(found, wanted, "{prefix} {name} {kinds:?}");
        }
    }

    #[test]
    fn filter_beyond_its_limits_or_of_no_kind_is_refused() {
        let (long, longer) = ("x".repeat(200), "x".repeat(201));
        assert!(filter(&long, &"ä".repeat(200), &[]).is_ok());
        assert!(filter(&longer, "", &[]).is_err());
        assert!(filter("", &longer, &[]).is_err());
        assert!(filter("", "", &[RealtimeTraceKind::Unspecified]).is_err());
        assert!(filter("", "", &[RealtimeTraceKind::LeftOut]).is_err());
    }
}
