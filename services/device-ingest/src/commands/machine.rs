//! The states of a command and what leads from one to the next. Pure.

use yard_contracts::command::v1::CommandState as Wire;

macro_rules! states {
    ($($name:ident = $text:literal,)+) => {
        /// Where a command is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum State {
            $($name,)+
        }

        impl State {
            /// All states.
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As the database has it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// From the database's text.
            pub(crate) fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)+ _ => None }
            }

            /// As the API has it.
            pub(crate) const fn wire(self) -> Wire {
                match self { $(Self::$name => Wire::$name,)+ }
            }
        }
    };
}

states! {
    Queued = "queued",
    Dispatched = "dispatched",
    Delivered = "delivered",
    Acked = "acked",
    Running = "running",
    Succeeded = "succeeded",
    Failed = "failed",
    Rejected = "rejected",
    Expired = "expired",
    Cancelled = "cancelled",
    Superseded = "superseded",
    Unknown = "unknown",
}

/// What a device may say of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceWord {
    Delivered,
    Acked,
    Running,
    Succeeded,
    Failed,
    Rejected,
}

impl DeviceWord {
    #[cfg(test)]
    pub(super) const ALL: [Self; 6] = [
        Self::Delivered,
        Self::Acked,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Rejected,
    ];

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "delivered" => Self::Delivered,
            "acked" => Self::Acked,
            "running" => Self::Running,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "rejected" => Self::Rejected,
            _ => return None,
        })
    }

    const fn state(self) -> State {
        match self {
            Self::Delivered => State::Delivered,
            Self::Acked => State::Acked,
            Self::Running => State::Running,
            Self::Succeeded => State::Succeeded,
            Self::Failed => State::Failed,
            Self::Rejected => State::Rejected,
        }
    }
}

/// What happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The broker has it for the device.
    BrokerAccepted,
    /// The device reports.
    Device(DeviceWord),
    /// The deadline passed.
    DeadlinePassed,
    /// A person took it back.
    Cancel,
}

impl State {
    /// Whether nothing follows. `Unknown` is not: a late result resolves it.
    pub(crate) const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Succeeded
                | Self::Failed
                | Self::Rejected
                | Self::Expired
                | Self::Cancelled
                | Self::Superseded
        )
    }

    /// How far it is; a device's report never leads back.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Dispatched => 1,
            Self::Delivered => 2,
            Self::Acked => 3,
            Self::Running => 4,
            Self::Unknown => 5,
            Self::Succeeded
            | Self::Failed
            | Self::Rejected
            | Self::Expired
            | Self::Cancelled
            | Self::Superseded => 6,
        }
    }

    /// The state after a step; `None` when the step changes nothing: it is late, repeated, or out
    /// of order.
    pub(crate) const fn after(self, step: Step) -> Option<Self> {
        if self.is_terminal() {
            return None;
        }
        match (self, step) {
            (Self::Queued, Step::BrokerAccepted) => Some(Self::Dispatched),
            (Self::Queued, Step::Cancel) => Some(Self::Cancelled),
            (Self::Queued | Self::Dispatched, Step::DeadlinePassed) => Some(Self::Expired),
            (Self::Delivered | Self::Acked | Self::Running, Step::DeadlinePassed) => {
                Some(Self::Unknown)
            }
            (_, Step::Device(word)) => {
                let next = word.state();
                if next.rank() > self.rank() { Some(next) } else { None }
            }
            _ => None,
        }
    }
}
