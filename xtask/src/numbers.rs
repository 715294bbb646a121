//! Figures read from the database, from outside the services.

use anyhow::{Context, Result};

use crate::platform::{DATABASE, DemoTenant, Platform, TENANTS};

/// Readings stored for a tenant.
pub(crate) fn stored(platform: &Platform, tenant: &DemoTenant) -> Result<u64> {
    platform.count(&format!(
        "select count(*) from series.telemetry r join platform.tenants t on t.id = r.tenant_id \
         where t.slug = '{}'",
        tenant.slug
    ))
}

/// Commands of a tenant that its devices carried out.
pub(crate) fn succeeded(platform: &Platform, tenant: &DemoTenant) -> Result<u64> {
    let schema = schema(platform, tenant)?;
    platform.count(&format!("select count(*) from {schema}.commands where state = 'succeeded'"))
}

/// Milliseconds from a command's request to the device's "succeeded": half and 99 in 100 are
/// faster.
pub(crate) fn command_times(platform: &Platform) -> Result<[f64; 2]> {
    let mut tables = Vec::new();
    for tenant in TENANTS {
        let schema = schema(platform, &tenant)?;
        tables.push(format!(
            "select updated_at - created_at as took from {schema}.commands \
             where state = 'succeeded'"
        ));
    }
    percentiles(platform, &tables.join(" union all "))
}

/// Milliseconds from a reading's acceptance to its row.
pub(crate) fn stored_times(platform: &Platform) -> Result<[f64; 2]> {
    percentiles(platform, "select stored_at - received_at as took from series.telemetry")
}

/// Rows written in a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) rows: u64,
    /// Milliseconds from acceptance to the row.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// The database's clock.
pub(crate) fn now(platform: &Platform) -> Result<String> {
    Ok(platform.admin().sql(DATABASE, "select clock_timestamp()")?)
}

/// What was written between two moments of the database's clock.
pub(crate) fn stored_between(platform: &Platform, from: &str, to: &str) -> Result<Window> {
    let span = format!("stored_at >= '{from}' and stored_at < '{to}'");
    let rows = platform.count(&format!("select count(*) from series.telemetry where {span}"))?;
    let times =
        format!("select stored_at - received_at as took from series.telemetry where {span}");
    let [p50_ms, p99_ms] = percentiles(platform, &times)?;
    Ok(Window { rows, p50_ms, p99_ms })
}

fn percentiles(platform: &Platform, rows: &str) -> Result<[f64; 2]> {
    let statement = format!(
        "select percentile_cont(0.5) within group (order by ms), \
         percentile_cont(0.99) within group (order by ms) \
         from (select extract(epoch from took)::float8 * 1000 as ms from ({rows}) as t) as u"
    );
    let row = platform.admin().sql(DATABASE, &statement)?;
    parse(&row).with_context(|| format!("no times yet: `{row}`"))
}

fn parse(row: &str) -> Option<[f64; 2]> {
    let (half, most) = row.split_once('|')?;
    let number = |text: &str| text.parse::<f64>().ok().map(|ms| (ms * 100.0).round() / 100.0);
    Some([number(half)?, number(most)?])
}

fn schema(platform: &Platform, tenant: &DemoTenant) -> Result<String> {
    let statement = format!(
        "select 'ts_' || replace(id::text, '-', '') from platform.tenants where slug = '{}'",
        tenant.slug
    );
    Ok(platform.admin().sql(DATABASE, &statement)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_two_percentiles_is_read_and_rounded() {
        assert_eq!(parse("1.23456|78"), Some([1.23, 78.0]));
        assert_eq!(parse("|"), None);
    }
}
