//! What a person reads when everything runs.

use std::time::Duration;

use crate::platform::{Platform, TENANTS};
use crate::say;

pub(super) fn show(platform: &Platform, ready: Duration) {
    let url = platform.url();
    say::out(format!("\nSwitchyard is running ({}).\n\n  Console   {url}", say::seconds(ready)));
    say::out(format!("  Password  {}   (for every person below)", platform.people.password()));
    for tenant in TENANTS {
        let name = tenant.name;
        say::out(format!("\n  {name:<18} {} (everything)", tenant.email("owner")));
        say::out(format!("  {:<18} {} (may send commands)", "", tenant.email("operator")));
        say::out(format!("  {:<18} {} (may only look)", "", tenant.email("viewer")));
    }
    say::out(format!("\n  {:<18} {}", "Platform", platform.people.administrator()));
    say::out(format!("\n  Mails     {}   (a file each)", platform.mails().display()));
    say::out(
        "\nThree things to try\n  \
         1. Sign in as Acme's operator, open a device and watch readings arrive.\n  \
         2. Send it a command and follow it to `succeeded`.\n  \
         3. Sign in as Brookside's owner in a private window: nothing of Acme is there.",
    );
    say::out(format!(
        "\nLogs are in {}. Ctrl-C stops everything.",
        platform.folders.logs().display()
    ));
}
