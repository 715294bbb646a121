use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

use crate::Guard;

const CONNECT: Duration = Duration::from_secs(3);

impl Resolve for Guard {
    /// The addresses that may be asked; the connection is made to one of these and no other, so that
    /// a name cannot mean something else the second time.
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<_> = found.filter(|at| guard.admits(at.ip())).collect();
            if admitted.is_empty() {
                return Err("the name has no address that may be asked".into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// A client that asks what the guard admits: without redirects or a proxy, and for `patience` at most.
/// It trusts the certificates of `ca_file` (PEM; empty for none) beside the system's. URLs with a
/// literal address have to be held to [`Guard::url`] before.
///
/// # Errors
/// Names `option` when the file cannot be used.
pub fn client(
    guard: &Guard,
    (option, ca_file): (&str, &Path),
    patience: Duration,
) -> anyhow::Result<Client> {
    let client = Client::builder()
        .tls_certs_merge(roots(option, ca_file)?)
        .dns_resolver(guard.clone())
        .redirect(Policy::none())
        .no_proxy()
        .timeout(patience)
        .connect_timeout(CONNECT)
        .build()?;
    Ok(client)
}

fn roots(option: &str, file: &Path) -> anyhow::Result<Vec<Certificate>> {
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let named = || format!("{option} {}", file.display());
    let pem = std::fs::read(file).with_context(named)?;
    let roots = Certificate::from_pem_bundle(&pem).with_context(named)?;
    anyhow::ensure!(!roots.is_empty(), "{} holds no certificate", named());
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use yard_limits::Network;

    use super::*;

    #[tokio::test]
    async fn name_of_an_inner_address_is_not_resolved() {
        let resolve = |guard: &Guard| guard.resolve("localhost".parse().unwrap());
        assert!(resolve(&Guard::new(Vec::new(), false)).await.is_err());
        let loopback = ["127.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        assert!(resolve(&Guard::new(loopback.to_vec(), false)).await.is_ok());
    }
}
