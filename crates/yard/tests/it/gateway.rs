//! A gateway for one call of the program.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use yard_testkit::TestFolder;

/// The session in the profile.
pub(crate) const TOKEN: &str = "yss_of-the-test";

/// What the gateway is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// Method, path and query.
    pub(crate) line: String,
    /// Null without one.
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

/// How a call of the program ended, and what the gateway was asked meanwhile.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) asked: Vec<Asked>,
    /// The profile file afterwards.
    pub(crate) profile: String,
}

impl Ran {
    /// Method and path of each request, with its body.
    pub(crate) fn requests(&self) -> Vec<(&str, &Value)> {
        self.asked.iter().map(|asked| (asked.line.as_str(), &asked.body)).collect()
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    /// The one line of JSON on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.lines().len(), 1, "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }

    /// Ended well, with nothing but the answer.
    pub(crate) fn done(self) -> Self {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self
    }

    /// Ended by a refusal: its code is told, and there is no answer.
    pub(crate) fn refused(&self, problem: &str) {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        assert!(self.err.starts_with(&format!("yard: {problem}: ")), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
    }
}

/// An answer of the gateway.
pub(crate) type Answer = (u16, Value);

pub(crate) const fn ok(body: Value) -> Answer {
    (200, body)
}

/// As problem+json.
pub(crate) fn problem(status: u16, code: &str) -> Answer {
    let body = json!({
        "type": format!("https://docs.example/errors/{code}"), "title": "No", "status": status,
        "code": code, "detail": "It is not to be.", "instance": "0198c0de",
    });
    (status, body)
}

struct Script {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
}

type Shared = Arc<Mutex<Script>>;

async fn answer(
    State(script): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut script = script.lock().unwrap();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    script.asked.push(Asked { line: format!("{method} {uri}"), body, headers });
    let unexpected = || problem(500, "test.unexpected");
    let (status, body) = script.answers.pop_front().unwrap_or_else(unexpected);
    let status = StatusCode::from_u16(status).unwrap();
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// A call of the program.
pub(crate) struct Yard<'a> {
    arguments: &'a [&'a str],
    input: &'a str,
    secret: &'a str,
}

/// `yard` with these arguments, signed in.
pub(crate) const fn yard<'a>(arguments: &'a [&'a str]) -> Yard<'a> {
    Yard { arguments, input: "", secret: "" }
}

impl<'a> Yard<'a> {
    /// With a text on its standard input.
    pub(crate) const fn input(self, input: &'a str) -> Self {
        Self { input, ..self }
    }

    /// With a file `secret` in the folder it runs in.
    pub(crate) const fn secret(self, secret: &'a str) -> Self {
        Self { secret, ..self }
    }

    /// Runs against a gateway that gives these answers, one after the other.
    pub(crate) async fn run(self, answers: impl IntoIterator<Item = Answer>) -> Ran {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Script { answers: answers.into_iter().collect(), asked: Vec::new() };
        let script = Arc::new(Mutex::new(script));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let folder = TestFolder::new("call");
        let profile = folder.join("profile.toml");
        let signed_in = format!("url = \"{url}\"\nsession_token = \"{TOKEN}\"\n");
        std::fs::write(&profile, signed_in).unwrap();
        std::fs::write(folder.join("secret"), self.secret).unwrap();
        let ended = tokio::select! {
            ended = self.call(&folder, &profile) => Some(ended),
            _gateway = async { axum::serve(listener, router).await } => None,
        };
        let (code, out, err) = ended.unwrap();
        let script = script.lock().unwrap();
        assert!(script.answers.is_empty(), "not asked for: {:?}", script.answers);
        let profile = std::fs::read_to_string(profile).unwrap();
        Ran { code, out, err, asked: script.asked.clone(), profile }
    }

    async fn call(&self, folder: &Path, profile: &Path) -> (i32, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_yard"))
            .arg("--profile-file")
            .arg(profile)
            .args(self.arguments)
            // Neither a proxy nor a profile of whoever runs the tests.
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(self.input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}
