//! A process that cannot outlive the test: a shell watches over it and kills it when our end of a pipe closes, which
//! happens however the test ends, by a panic or a SIGKILL too.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::{Outcome, wait};

/// `$1` is the log; the rest is the command. The first line of the output is the command's pid; the exit code is its.
const WATCH: &str = r#"
log=$1; shift
exec 3<&0
"$@" >>"$log" 2>&1 </dev/null 3<&- &
child=$!
echo "$child"
exec >/dev/null 2>&1
{ cat <&3; kill -9 "$child"; } &
watch=$!
wait "$child"
code=$?
kill "$watch"
exit "$code"
"#;

/// A running process under watch. Dropping it kills the process.
#[derive(Debug)]
pub struct Guarded {
    shell: Child,
    /// Open as long as the process may live.
    lifeline: Option<ChildStdin>,
    pid: u32,
    name: String,
}

impl Guarded {
    /// Starts `command`, its output appended to the file `log`.
    ///
    /// # Errors
    /// If there is no shell, or it says nothing.
    pub fn start(name: &str, command: &[OsString], env: &[(String, String)], log: &Path) -> Outcome<Self> {
        let mut shell = Command::new("sh")
            .arg("-c")
            .arg(WATCH)
            .arg("watch")
            .arg(log)
            .args(command)
            .envs(env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: cannot start a shell: {error}"))?;
        let lifeline = shell.stdin.take();
        let mut line = String::new();
        let mut output = BufReader::new(shell.stdout.take().expect("it is piped"));
        output.read_line(&mut line).map_err(|error| format!("{name}: {error}"))?;
        let pid = line.trim().parse().map_err(|_| format!("{name}: the shell gave no pid"))?;
        Ok(Self { shell, lifeline, pid, name: name.to_owned() })
    }

    /// The process's own id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal, such as `TERM` or `KILL`.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn signal(&mut self, name: &str) -> Outcome {
        if let Some(code) = self.ended() {
            return Err(format!("{}: it had already ended with {code}", self.name));
        }
        let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid)).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("{}: no signal {name} could be sent", self.name)),
        }
    }

    /// The exit code, if the process has ended (128 + n where signal n ended it).
    pub fn ended(&mut self) -> Option<i32> {
        self.shell.try_wait().ok().flatten().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for the end, and gives the exit code.
    ///
    /// # Errors
    /// If it still runs at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> Outcome<i32> {
        let what = format!("the end of {}", self.name);
        wait::until_blocking(&what, deadline, || self.ended())
    }

    /// Kills with SIGKILL and waits for the end.
    ///
    /// # Errors
    /// If it had already ended.
    pub fn kill(&mut self) -> Outcome {
        self.signal("KILL")?;
        self.wait(Duration::from_secs(5)).map(drop)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The shell ends once it has seen the process end; waiting keeps ports and files from overlapping.
        let _ = self.wait(Duration::from_secs(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    fn sleeper() -> (tempfile::TempDir, Guarded) {
        let dir = tempfile::tempdir().unwrap();
        let command = ["sh", "-c", "echo started; exec sleep 600"].map(OsString::from);
        let log = dir.path().join("log");
        let guarded = Guarded::start("sleeper", &command, &[], &log).unwrap();
        let started = || std::fs::read_to_string(&log).is_ok_and(|log| log == "started\n").then_some(());
        wait::until_blocking("the sleeper's first line", Duration::from_secs(5), started).unwrap();
        (dir, guarded)
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let (_dir, guarded) = sleeper();
        let pid = guarded.pid();
        assert!(alive(pid));
        drop(guarded);
        assert!(!alive(pid));
    }

    #[test]
    fn signals_reach_the_process_itself() {
        let (_dir, mut guarded) = sleeper();
        guarded.signal("TERM").unwrap();
        assert_eq!(guarded.wait(Duration::from_secs(5)), Ok(128 + 15));
        assert!(guarded.signal("TERM").is_err());
        let (dir, mut guarded) = sleeper();
        guarded.kill().unwrap();
        assert_eq!(guarded.ended(), Some(128 + 9));
        assert_eq!(std::fs::read_to_string(dir.path().join("log")).unwrap(), "started\n");
    }

    #[test]
    fn the_exit_code_is_the_process_s_own() {
        let dir = tempfile::tempdir().unwrap();
        let command = ["sh", "-c", "exit 7"].map(OsString::from);
        let mut guarded = Guarded::start("seven", &command, &[], &dir.path().join("log")).unwrap();
        assert_eq!(guarded.wait(Duration::from_secs(5)), Ok(7));
    }
}
