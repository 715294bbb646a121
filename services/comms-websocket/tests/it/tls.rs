//! The listener that speaks TLS by itself.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use yard_testkit::{TestFolder, TestPapers, eventually};

use crate::raw::{FIN, Raw, TEXT, frame, request};
use crate::support::{KEY, PATIENCE, Service};

struct Files(TestFolder);

impl Files {
    fn of(papers: &TestPapers) -> Self {
        let this = Self(TestFolder::new("tls"));
        this.put(papers);
        this
    }

    fn put(&self, papers: &TestPapers) {
        std::fs::write(self.0.join("certificate.pem"), papers.certificate()).unwrap();
        std::fs::write(self.0.join("key.pem"), papers.key()).unwrap();
    }

    async fn serve(&self) -> Service {
        Service::start_with(|config| {
            config.tls.certificate_file = self.0.join("certificate.pem");
            config.tls.key_file = self.0.join("key.pem");
            config.socket.handshake_timeout = Duration::from_secs(1);
        })
        .await
    }
}

async fn plain(service: &Service) -> TcpStream {
    TcpStream::connect(("127.0.0.1", service.port())).await.unwrap()
}

/// A client that trusts the authority of `papers` and no other.
async fn dial(service: &Service, papers: &TestPapers) -> std::io::Result<TlsStream<TcpStream>> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(papers.ca_file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, plain(service).await).await
}

#[tokio::test]
async fn req_icas_26_client_is_served_by_tls_and_one_of_another_authority_is_not() {
    let (papers, others) = (TestPapers::new(), TestPapers::new());
    let files = Files::of(&papers);
    let service = files.serve().await;
    let mut client = Raw::over(dial(&service, &papers).await.unwrap(), b"").await;
    client.is_well().await;
    let refused = dial(&service, &others).await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    // Calls of the HTTP API come the same way; this one is not signed.
    let mut server = Raw(dial(&service, &papers).await.unwrap());
    server.send(b"GET /apps/1/channels HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = server.head_of_answer().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    // What ends a socket in plain text ends it here, with the same words.
    client.send(&frame(FIN | TEXT, b"\xff")).await;
    assert_eq!(client.close_code().await, Some(1007));
}

#[tokio::test]
async fn plain_text_where_tls_is_spoken_is_closed_with_4000_and_calls_are_answered_403() {
    let papers = TestPapers::new();
    let files = Files::of(&papers);
    let service = files.serve().await;
    let mut client = Raw(plain(&service).await);
    client.send(request().as_bytes()).await;
    let answer = client.head_of_answer().await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let (_, error) = client.frame().await.unwrap();
    assert!(String::from_utf8(error).unwrap().contains("4000"));
    assert_eq!(client.close_code().await, Some(4000));
    let mut server = Raw(plain(&service).await);
    server
        .send(format!("GET /apps/1/channels?auth_key={KEY} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
        .await;
    let answer = server.head_of_answer().await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn tls_handshake_that_never_ends_is_ended() {
    let papers = TestPapers::new();
    let files = Files::of(&papers);
    let service = files.serve().await;
    let (mut silent, mut half, mut nonsense) =
        (Raw(plain(&service).await), Raw(plain(&service).await), Raw(plain(&service).await));
    half.send(&[22, 3, 1, 2, 0, 1]).await;
    nonsense.send(&[22, 0, 0, 0, 5, 1, 2, 3, 4, 5]).await;
    silent.ended().await;
    half.ended().await;
    nonsense.ended().await;
    Raw::over(dial(&service, &papers).await.unwrap(), b"").await.is_well().await;
}

#[tokio::test]
async fn renewed_certificate_is_shown_without_a_restart_and_open_sockets_stay() {
    let (papers, renewed) = (TestPapers::new(), TestPapers::new());
    let files = Files::of(&papers);
    let service = files.serve().await;
    // Between the two files one is of the old pair; that is seen, said, and mended by the next look.
    service.log.expect("changed files were not taken");
    let mut before = Raw::over(dial(&service, &papers).await.unwrap(), b"").await;
    files.put(&renewed);
    eventually(PATIENCE * 3, || async { dial(&service, &renewed).await.is_ok() }).await;
    assert!(dial(&service, &papers).await.is_err());
    before.is_well().await;
    Raw::over(dial(&service, &renewed).await.unwrap(), b"").await.is_well().await;
}
