//! Running other programs so that a failure says which one, and why.

use std::io::{ErrorKind, Write};
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::error::{Context, Error, tail};

/// Runs a command whose output the person at the terminal should see.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let status = command.status().context(|| format!("cannot run {}", describe(command)))?;
    check(command, status, "")
}

/// Runs a command quietly and returns what it wrote to standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String, Error> {
    let output =
        command.stdin(Stdio::null()).output().context(|| format!("cannot run {}", describe(command)))?;
    text_of(command, output)
}

/// Like `capture`, with `input` on standard input.
pub(crate) fn capture_with_input(command: &mut Command, input: &str) -> Result<String, Error> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context(|| format!("cannot run {}", describe(command)))?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Written beside the reading: a program that answers before it has read everything must not block us.
        let writer = scope.spawn(|| match stdin {
            Some(mut stdin) => stdin.write_all(input.as_bytes()),
            None => Ok(()),
        });
        let output = child.wait_with_output();
        match writer.join() {
            // A program may stop reading early; its own exit status tells why.
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            Ok(_) | Err(_) => output,
        }
    })
    .context(|| format!("cannot talk to {}", describe(command)))?;
    text_of(command, output)
}

/// The command as one could type it, shortened.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ");
    if line.chars().count() > 400 {
        format!("{}…", line.chars().take(400).collect::<String>())
    } else {
        line
    }
}

/// A word quoted for the shell where that is needed.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The program's path, if it is on PATH or is a path itself.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    if name.contains('/') {
        return std::path::absolute(name).ok().filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The path of a server's program, which Debian has where ordinary users do not look.
pub fn find_server(name: &str) -> Option<std::path::PathBuf> {
    let found = ["/usr/sbin", "/usr/local/sbin"].map(|dir| std::path::Path::new(dir).join(name));
    find_program(name).or_else(|| found.into_iter().find(|file| file.is_file()))
}

fn text_of(command: &Command, output: Output) -> Result<String, Error> {
    check(command, output.status, &String::from_utf8_lossy(&output.stderr))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn check(command: &Command, status: ExitStatus, log: &str) -> Result<(), Error> {
    if status.success() {
        return Ok(());
    }
    let log = tail(log, 20);
    let separator = if log.is_empty() { "" } else { "\n" };
    Err(Error::new(format!("{} failed ({status}){separator}{}", describe(command), log.trim_end())))
}
