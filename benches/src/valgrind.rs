//! What a contender takes beside time: in a program of its own, under valgrind.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::contender::Failure;
use crate::contender::process::{Hello, Turn};
use crate::record::Record;
use crate::scale::Scale;
use crate::serve::{SERVE, form};
use crate::setting::Address;

/// What counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tool {
    /// Instructions.
    Callgrind,
    /// Allocations, those of libraries in C too.
    Dhat,
}

impl Tool {
    fn arguments(self) -> [&'static str; 2] {
        match self {
            Self::Callgrind => ["--tool=callgrind", "--callgrind-out-file=/dev/null"],
            Self::Dhat => ["--tool=dhat", "--dhat-out-file=/dev/null"],
        }
    }

    /// `==4711== Collected : 12345`, `==4711== Total:     1,234 bytes in 56 blocks`
    fn read(self, told: &str) -> Option<u64> {
        let line = |word: &str| told.lines().find(|line| line.contains(word));
        let number = match self {
            Self::Callgrind => line("Collected")?.rsplit(':').next()?,
            Self::Dhat => line("Total:")?.rsplit(" in ").next()?.split(' ').next()?,
        };
        number.trim().replace(',', "").parse().ok()
    }
}

/// Whether it is installed.
pub(crate) fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok()
}

/// How much the contender of this name takes for the first turns of these, and for all that a program does beside them.
pub(crate) fn total(
    tool: Tool,
    address: &Address,
    scale: Scale,
    name: &str,
    given: &[Vec<Record>],
    turns: usize,
) -> Result<u64, Failure> {
    let hello = Hello {
        address: address.clone(),
        form: form(scale, name),
        turns: Some(turns),
    };
    let mut input = serde_json::to_vec(&hello)?;
    for records in given {
        input.push(b'\n');
        let records = records.clone();
        input.extend(serde_json::to_vec(&Turn { records })?);
    }
    let mut command = Command::new("valgrind");
    command.args(tool.arguments());
    command.arg(std::env::current_exe()?).arg(SERVE);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn()?;
    let mut to = process.stdin.take().ok_or("a program without pipes")?;
    to.write_all(&input)?;
    drop(to);
    let output = process.wait_with_output()?;
    let answers = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    tool.read(&told)
        .filter(|_| output.status.success() && !answers.contains("error"))
        .ok_or_else(|| format!("{name} under valgrind: {answers}{told}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_valgrind_tells_is_read() {
        let told = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(Tool::Callgrind.read(told), Some(123_456));
        let told = "==7== \n==7== Total:     90,002 bytes in 1,029 blocks\n==7== At t-gmax: 0 bytes in 0 blocks\n";
        assert_eq!(Tool::Dhat.read(told), Some(1_029));
        assert_eq!(Tool::Dhat.read("valgrind: failed to start"), None);
    }
}
