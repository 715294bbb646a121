/// What webhooks are told of. One more is a line here and in [`Kind::ALL`], and a maker of its
/// [`super::Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ChannelOccupied,
    ChannelVacated,
    MemberAdded,
    MemberRemoved,
    ClientEvent,
    CacheMiss,
    SubscriptionCount,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::ChannelOccupied,
        Self::ChannelVacated,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::ClientEvent,
        Self::CacheMiss,
        Self::SubscriptionCount,
    ];

    /// As Pusher names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ChannelOccupied => "channel_occupied",
            Self::ChannelVacated => "channel_vacated",
            Self::MemberAdded => "member_added",
            Self::MemberRemoved => "member_removed",
            Self::ClientEvent => "client_event",
            Self::CacheMiss => "cache_miss",
            Self::SubscriptionCount => "subscription_count",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u32);

impl Kinds {
    /// Those that are owed in Redis.
    pub(crate) const EDGES: Self = Self::of(&[
        Kind::ChannelOccupied,
        Kind::ChannelVacated,
        Kind::MemberAdded,
        Kind::MemberRemoved,
    ]);

    pub(crate) const fn of(kinds: &[Kind]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// Of their names, none meaning all. A name that this release does not know is passed over.
    pub(crate) fn of_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let (mut bits, mut named) = (0, false);
        for name in names {
            named = true;
            bits |= Kind::of_name(name).map_or(0, |kind| 1 << kind as u32);
        }
        if named { Self(bits) } else { Self(u32::MAX) }
    }

    pub(crate) const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_by_name_and_none_is_all_of_them() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_name(kind.name()), Some(kind));
            assert!(Kinds::of_names([]).meets(Kinds::of(&[kind])));
            assert!(Kinds::of_names([kind.name()]).meets(Kinds::of(&[kind])));
        }
        let two = Kinds::of_names(["cache_miss", "of_another_release", "member_added"]);
        assert!(two.meets(Kinds::EDGES) && !two.meets(Kinds::of(&[Kind::ClientEvent])));
        assert!(!Kinds::of_names(["of_another_release"]).meets(Kinds::of(&Kind::ALL)));
    }
}
