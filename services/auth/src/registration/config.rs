use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_limits::Limit;
use yard_runtime::ConfigError;

use crate::tenancy::names;

const DAY: Duration = Duration::from_secs(86_400);

/// Tenants that people ask for by themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationConfig {
    /// Whether anybody may.
    pub open: bool,
    /// The plan of tenants that come of it.
    pub plan: String,
    /// Requests in 24 hours.
    pub asked_per_day: u32,
    /// Requests from one address: so many at once, and as many again over 24 hours.
    pub asked_per_network: u32,
    /// Tenants in 24 hours.
    pub made_per_day: u32,
}

impl RegistrationConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if names::plan(&self.plan).is_err() || self.plan.is_empty() {
            let rule =
                "has to be the name of a plan: 1 to 32 lower-case letters, digits and hyphens";
            return Err(ConfigError::new("registration.plan", rule));
        }
        for (option, count) in [
            ("registration.asked_per_day", self.asked_per_day),
            ("registration.asked_per_network", self.asked_per_network),
            ("registration.made_per_day", self.made_per_day),
        ] {
            if !(1..=1_000_000).contains(&count) {
                return Err(ConfigError::new(option, "has to be 1 to 1000000"));
            }
        }
        Ok(())
    }

    /// What one network may ask for.
    pub(super) fn network_limit(&self) -> Limit {
        let interval = DAY / self.asked_per_network.max(1);
        Limit { burst: self.asked_per_network, interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_plan_are_held_to_their_bounds() {
        let usual = RegistrationConfig {
            open: true,
            plan: "trial".to_owned(),
            asked_per_day: 1,
            asked_per_network: 5,
            made_per_day: 1_000_000,
        };
        assert!(usual.validate().is_ok());
        for wrong in [
            RegistrationConfig { plan: String::new(), ..usual.clone() },
            RegistrationConfig { plan: "Gold".to_owned(), ..usual.clone() },
            RegistrationConfig { asked_per_day: 0, ..usual.clone() },
            RegistrationConfig { asked_per_network: 0, ..usual.clone() },
            RegistrationConfig { made_per_day: 1_000_001, ..usual.clone() },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }
}
