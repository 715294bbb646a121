use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;
use yard_ids::DeviceId;

/// The id of a reading that its device numbers: the same for every repetition.
pub(super) fn of_sequence(device: DeviceId, epoch: i64, sequence: i64) -> Uuid {
    Uuid::new_v5(&device.uuid(), format!("e{epoch}:s{sequence}").as_bytes())
}

/// The id of any other message, from its topic and bytes.
pub(super) fn of_content(device: DeviceId, topic: &str, payload: &[u8]) -> Uuid {
    let mut hash = Context::new(&SHA256);
    hash.update(topic.as_bytes());
    // No topic holds it, so no two pairs run into each other.
    hash.update(&[0]);
    hash.update(payload);
    Uuid::new_v5(&device.uuid(), hash.finish().as_ref())
}
