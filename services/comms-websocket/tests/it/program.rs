//! A client library in a program of its own: one line each way for what it is told and what it sees.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::PATIENCE;

/// Ends with its value.
pub(crate) struct Program {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Runs a script of `folder` with `interpreter`.
    pub(crate) fn start(interpreter: &Path, folder: &Path, script: &str, args: &[&str]) -> Self {
        let mut child = Command::new(interpreter)
            .arg(script)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter runs");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, input, output }
    }

    pub(crate) async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next thing that it sees and that fits; others are passed over.
    pub(crate) async fn sees(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let line = self.output.next_line().await.unwrap().expect("it is running");
                let seen: Value = serde_json::from_str(&line).expect("a line of ours");
                if fits(&seen) {
                    return seen;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("it sees it in time")
    }

    pub(crate) async fn sees_what(&mut self, what: &str) -> Value {
        self.sees(|seen| seen["what"] == what).await
    }
}

/// A folder below `tests` with scripts.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Says past the harness, which would keep it to itself, that a test has not been run.
pub(crate) fn skipped(test: &str, missing: &str) {
    let told = format!("\nSKIPPED {test}: {missing}\n");
    std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
}
