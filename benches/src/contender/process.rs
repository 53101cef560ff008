//! A contender that is a program of its own, spoken with in lines of JSON. It times itself: what it takes to hand the records over
//! does not count.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Contender, Failure, Timed};
use crate::record::Record;
use crate::setting::Address;

/// What it is told first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) address: Address,
    /// Which of its ways to upsert it is to take.
    pub(crate) form: String,
    /// How many turns are carried out, where not all: those that follow are read and left. So the difference of two runs is
    /// what the turns took, and nothing else.
    #[serde(default)]
    pub(crate) turns: Option<usize>,
}

/// What it is told then, once for each turn.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) records: Vec<Record>,
}

/// What it answers to each of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Seconds(f64),
    Error(String),
}

#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    is_slow: bool,
    lines: RefCell<Lines>,
}

#[derive(Debug)]
struct Lines {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the program and has it connect.
    pub(crate) fn start(
        name: String,
        command: &mut Command,
        hello: &Hello,
    ) -> Result<Self, Failure> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (to, from) = pipes.ok_or("a program without pipes")?;
        let mut lines = Lines {
            process,
            to,
            from: BufReader::new(from),
        };
        lines
            .ask(hello)
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Self {
            name,
            is_slow: false,
            lines: RefCell::new(lines),
        })
    }

    /// One that takes minutes where others take seconds.
    pub(crate) fn slow(self) -> Self {
        Self {
            is_slow: true,
            ..self
        }
    }
}

impl Contender for Process {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        Box::pin(async { self.lines.borrow_mut().ask(&Turn { records }) })
    }

    fn is_slow(&self) -> bool {
        self.is_slow
    }
}

impl Lines {
    fn ask(&mut self, question: &impl Serialize) -> Result<Duration, Failure> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        self.to.write_all(&line)?;
        self.to.flush()?;
        let mut answer = String::new();
        if self.from.read_line(&mut answer)? == 0 {
            return Err("the program has ended".into());
        }
        match serde_json::from_str(&answer)? {
            Answer::Seconds(seconds) => Ok(Duration::try_from_secs_f64(seconds)?),
            Answer::Error(error) => Err(error.into()),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        let (target, url) = ("sqlite".to_owned(), "sqlite://x".to_owned());
        Hello {
            address: Address {
                target,
                url,
                socket: None,
                flush: false,
            },
            form: "one".to_owned(),
            turns: None,
        }
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_program_times_itself() {
        let mut answers = shell(
            r#"read hello; echo '{"seconds":0}'; read turn; echo '{"seconds":0.25}'; read end"#,
        );
        let process = Process::start("peer".to_owned(), &mut answers, &hello()).unwrap();
        let took = process.run(vec![Record::new("peer", 1, 0)]).await.unwrap();
        assert_eq!(took, Duration::from_millis(250));
    }

    #[test]
    fn what_a_program_cannot_do_is_told() {
        let mut refuses = shell(r#"read hello; echo '{"error":"no driver"}'"#);
        let error = Process::start("peer".to_owned(), &mut refuses, &hello()).unwrap_err();
        assert_eq!(error.to_string(), "peer: no driver");
        let error =
            Process::start("peer".to_owned(), &mut shell("read hello"), &hello()).unwrap_err();
        assert_eq!(error.to_string(), "peer: the program has ended");
    }
}
