//! An authority of a test's own, and what servers prove themselves with.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use yard_stack::ServerTls;

use crate::folder::TestFolder;

/// An authority that nothing but this test trusts, and a certificate of it for 127.0.0.1.
#[derive(Debug)]
pub struct TestPapers {
    tls: ServerTls,
    ca: PathBuf,
    _folder: TestFolder,
}

impl TestPapers {
    /// Makes both.
    ///
    /// # Panics
    /// When the files cannot be written.
    #[must_use]
    pub fn new() -> Self {
        Self::made().expect("an authority can be made")
    }

    /// The authority's certificate, a PEM file.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca
    }

    /// The server's certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.tls.certificate
    }

    /// Its private key, PEM.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.tls.key
    }

    pub(crate) fn tls(&self) -> &ServerTls {
        &self.tls
    }

    fn made() -> Result<Self> {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (ca_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
        let server = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let certificate = server.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?.pem();
        let folder = TestFolder::new("papers");
        let file = folder.join("ca.pem");
        std::fs::write(&file, ca.self_signed(&ca_key)?.pem())?;
        let tls = ServerTls { certificate, key: key.serialize_pem() };
        Ok(Self { tls, ca: file, _folder: folder })
    }
}

impl Default for TestPapers {
    fn default() -> Self {
        Self::new()
    }
}
