//! A program of Node.js that says in lines of JSON what it sees, and takes commands in lines.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::PATIENCE;

pub(crate) struct Node {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Node {
    pub(crate) fn run(folder: &Path, script: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("node")
            .arg(script)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, input, output }
    }

    /// Tells that packages are missing, past the harness, which would keep it to itself.
    pub(crate) fn skipped(what_to_do: &str) {
        let told = format!("\nSKIPPED: {what_to_do}\n");
        std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
    }

    pub(crate) async fn tell(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next thing that it sees and that fits; others are passed over.
    pub(crate) async fn sees(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let line = self.output.next_line().await.unwrap().expect("node is running");
                let seen: Value = serde_json::from_str(&line).expect("a line of ours");
                if fits(&seen) {
                    return seen;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("it is seen in time")
    }
}
