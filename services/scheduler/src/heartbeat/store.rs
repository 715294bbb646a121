use yard_pg::{PgError, PlatformTx};

pub(super) async fn beat(tx: &mut PlatformTx) -> Result<(), PgError> {
    // Two instances that beat at once must not set it back.
    sqlx::query(
        "update platform.heartbeat set beat_at = clock_timestamp() where beat_at < clock_timestamp()",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
