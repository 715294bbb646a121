//! How the built console is served.

use std::fs;
use std::path::Path;

use reqwest::{Method, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Fixture, problem};

fn build(dir: &Path, shell: &str) {
    fs::create_dir_all(dir.join("assets")).unwrap();
    fs::create_dir_all(dir.join(".vite")).unwrap();
    fs::write(dir.join("index.html"), shell).unwrap();
    fs::write(dir.join("index.html.br"), format!("br:{shell}")).unwrap();
    fs::write(dir.join("theme.js"), "theme").unwrap();
    fs::write(dir.join(".vite/manifest.json"), "{}").unwrap();
    fs::write(dir.join("assets/app-1a2b.js"), "plain").unwrap();
    fs::write(dir.join("assets/app-1a2b.js.br"), "brotli").unwrap();
    fs::write(dir.join("assets/app-1a2b.js.gz"), "gzip").unwrap();
}

async fn serving(shell: &str) -> Fixture {
    Fixture::with(|config| {
        // Below the fixture's own folder, with which it goes.
        let dir = config.identity.key_file.with_file_name("console");
        build(&dir, shell);
        config.console.dir = dir;
    })
    .await
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn shell_answers_deep_links_and_is_asked_for_anew() {
    let gateway = serving("<html>one</html>").await;
    for path in ["/", "/devices", "/devices/0190a6f2-7c2a-7b52-9c11-000000000002?tab=1", "/a.b/c"] {
        let response = gateway.get(path).send().await.unwrap();
        assert_eq!(header(&response, "cache-control"), "no-cache", "{path}");
        assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(response.text().await.unwrap(), "<html>one</html>", "{path}");
    }
    let response = gateway.get("/theme.js").send().await.unwrap();
    assert_eq!(header(&response, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(response.text().await.unwrap(), "theme");
    let post = gateway.request(Method::POST, "/devices").send().await.unwrap();
    assert_eq!(header(&post, "allow"), "GET, HEAD, OPTIONS");
    problem(post, 405, "route.method_not_allowed").await;
}

#[tokio::test]
async fn shell_tag_is_of_its_content_and_coding() {
    let (one, two) = (serving("<html>one</html>").await, serving("<html>two</html>").await);
    let first = one.get("/").send().await.unwrap();
    let second = two.get("/").send().await.unwrap();
    assert_eq!(first.content_length(), second.content_length());
    let tag = header(&first, "etag").to_owned();
    assert_ne!(tag, header(&second, "etag"));
    let again = one.get("/devices").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));
    let changed = two.get("/").header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    let coded = one.get("/").header("accept-encoding", "gzip, br").send().await.unwrap();
    assert_eq!(
        (header(&coded, "content-encoding"), header(&coded, "vary")),
        ("br", "accept-encoding")
    );
    assert_ne!(header(&coded, "etag"), tag);
    let refused = one.get("/").header("accept-encoding", "br;q=0").send().await.unwrap();
    assert_eq!(header(&refused, "content-encoding"), "");
}

#[tokio::test]
async fn assets_never_change_and_missing_ones_are_problems() {
    let gateway = serving("<html></html>").await;
    for (accepted, coding, body) in
        [("", "", "plain"), ("gzip", "gzip", "gzip"), ("gzip, br", "br", "brotli")]
    {
        let request = gateway.get("/assets/app-1a2b.js").header("accept-encoding", accepted);
        let response = request.send().await.unwrap();
        assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&response, "content-encoding"), coding);
        assert!(header(&response, "content-type").contains("javascript"));
        assert_eq!(response.text().await.unwrap(), body);
    }
    for path in ["/assets/gone-3c4d.js", "/assets/", "/assets/.hidden", "/.vite/manifest.json"] {
        problem(gateway.get(path).send().await.unwrap(), 404, "route.not_found").await;
    }
    problem(gateway.get("/api/gone").send().await.unwrap(), 404, "route.not_found").await;
}

/// Clients tidy such paths up, so they are sent by hand.
#[tokio::test]
async fn climbing_paths_are_refused() {
    let gateway = serving("<html></html>").await;
    for path in [
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/assets/..%2findex.html",
        "/assets/..%5cindex.html",
        "/../../etc/passwd",
        "/assets/%2e%2e%2f%2e%2e%2fetc/passwd",
    ] {
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("route.not_found"), "{path}");
    }
}
