use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The client event by which a client says that it has handled confirmed messages.
pub(crate) const ACKNOWLEDGEMENT: &str = "client-comms-ack";

/// Ids in one of them.
const MOST_IDS: usize = 100;

/// The ids of an acknowledgement; `None` for data that is none.
pub(super) fn ids(data: &RawValue) -> Option<Vec<Uuid>> {
    #[derive(Deserialize)]
    struct Acknowledgement {
        ids: Vec<Uuid>,
    }
    let Acknowledgement { ids } = serde_json::from_str(data.get()).ok()?;
    (1..=MOST_IDS).contains(&ids.len()).then_some(ids)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn acknowledgement_holds_one_to_a_hundred_ids() {
        let read = |value: serde_json::Value| {
            ids(&RawValue::from_string(value.to_string()).unwrap()).map(|ids| ids.len())
        };
        let ids = |count: u128| json!({"ids": (0..count).map(|n| Uuid::from_u128(n).to_string()).collect::<Vec<_>>()});
        assert_eq!((read(ids(1)), read(ids(100))), (Some(1), Some(100)));
        for wrong in [ids(0), ids(101), json!({"ids": ["x"]}), json!({"ids": 1}), json!(null)] {
            assert_eq!(read(wrong), None);
        }
    }
}
