//! What `yard verify --json` found.

use std::ops::Add;

use anyhow::{Context, Result};
use serde_json::Value;

/// Readings, summed over devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Acknowledged to the devices.
    pub(crate) acked: u64,
    pub(crate) stored: u64,
    /// Acknowledged but not stored.
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    pub(crate) quarantined: u64,
    /// Confirmed to the devices as stored, but not stored.
    pub(crate) receipts_lost: u64,
}

impl Verdict {
    pub(super) fn from_json(value: &Value) -> Result<Self> {
        let number = |key: &str| {
            let found = value.get(key).and_then(Value::as_u64);
            found.with_context(|| format!("`yard verify` did not say `{key}`: {value}"))
        };
        Ok(Self {
            acked: number("acked")?,
            stored: number("stored")?,
            lost: number("lost")?,
            duplicates: number("duplicates")?,
            out_of_order: number("out_of_order")?,
            quarantined: number("quarantined")?,
            receipts_lost: number("receipts_lost")?,
        })
    }
}

impl Add for Verdict {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            acked: self.acked + other.acked,
            stored: self.stored + other.stored,
            lost: self.lost + other.lost,
            duplicates: self.duplicates + other.duplicates,
            out_of_order: self.out_of_order + other.out_of_order,
            quarantined: self.quarantined + other.quarantined,
            receipts_lost: self.receipts_lost + other.receipts_lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_of_two_tenants_are_added_and_a_missing_one_is_named() {
        let one = json!({"acked": 5, "stored": 4, "lost": 1, "duplicates": 0,
            "out_of_order": 0, "quarantined": 0, "receipts_lost": 0});
        let one = Verdict::from_json(&one).unwrap();
        assert_eq!((one + one).lost, 2);
        let error = Verdict::from_json(&json!({"acked": 5})).unwrap_err();
        assert!(error.to_string().contains("`stored`"));
    }
}
