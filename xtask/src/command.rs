//! Other programs, run to their end.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

const TAIL: usize = 60;

/// A program to run; `read`, `run` and `quiet` say what becomes of its output.
#[derive(Debug)]
pub(crate) struct Cmd {
    command: Command,
    shown: String,
}

/// A program in a folder.
pub(crate) fn new(program: impl AsRef<OsStr>, dir: &Path) -> Cmd {
    let shown = program.as_ref().to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    Cmd { command, shown }
}

/// The cargo that runs this, so that a toolchain override reaches what it builds.
pub(crate) fn cargo(root: &Path) -> Cmd {
    new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), root)
}

impl Cmd {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs it with its output on our standard error, so that results stay alone on standard output.
    pub(crate) fn run(mut self) -> Result<()> {
        self.command.stdout(std::io::stderr());
        let status = self.command.status().with_context(|| format!("run {}", self.shown))?;
        self.expect(status, "")
    }

    /// Runs it silently; its output is shown only when it fails.
    pub(crate) fn quiet(self) -> Result<()> {
        self.read().map(drop)
    }

    /// Runs it and gives back its standard output.
    pub(crate) fn read(mut self) -> Result<String> {
        let output = self.command.output().with_context(|| format!("run {}", self.shown))?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        self.expect(output.status, &last_lines(&format!("{out}{err}"), TAIL))?;
        Ok(out)
    }

    /// As [`Cmd::read`], whatever its exit code is.
    pub(crate) fn read_any(mut self) -> Result<String> {
        let output = self.command.output().with_context(|| format!("run {}", self.shown))?;
        let err = String::from_utf8_lossy(&output.stderr);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if out.trim().is_empty() {
            bail!("`{}` said nothing ({})\n{}", self.shown, output.status, last_lines(&err, TAIL));
        }
        Ok(out)
    }

    /// Runs it, shows what it prints on standard error while it comes and gives it back as well.
    pub(crate) fn tee(mut self) -> Result<(bool, String)> {
        let (reader, writer) = std::io::pipe().context("make a pipe")?;
        self.command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = self.command.spawn().with_context(|| format!("run {}", self.shown))?;
        // Holds the pipe's other end: while it lives, reading never ends.
        drop(self.command);
        let mut text = String::new();
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.context("read the program's output")?;
            let line = String::from_utf8_lossy(&line);
            crate::say::note(&line);
            text.push_str(&line);
            text.push('\n');
        }
        Ok((child.wait()?.success(), text))
    }

    fn expect(&self, status: ExitStatus, output: &str) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        bail!("`{}` failed ({status})\n{output}", self.shown)
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_the_end_of_its_output() {
        let failed = new("sh", Path::new("/")).args(["-c", "echo oops >&2; exit 3"]).read();
        let text = failed.unwrap_err().to_string();
        assert!(text.contains("sh -c") && text.contains("oops"), "{text}");
    }

    #[test]
    fn tee_gives_back_what_was_printed() {
        let (ok, text) = new("sh", Path::new("/")).args(["-c", "echo one; exit 1"]).tee().unwrap();
        assert_eq!((ok, text.as_str()), (false, "one\n"));
    }
}
