//! This program as a contender of another process: of another build of it (`--against`), or under callgrind (`--count`).

use std::io::{BufRead, Lines, StdinLock, Write, stdin};
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{MySql, Postgres, Sqlite};

use crate::contender::process::{Answer, Hello, Process, Turn};
use crate::contender::{Contender, Failure};
use crate::engine::Engine;
use crate::record::Record;
use crate::scale::Scale;
use crate::setting::Address;

/// The argument that has it serve.
pub(crate) const SERVE: &str = "--serve";

/// How a contender is named to a program: by what it is given in a call, and its name.
fn form(scale: Scale, name: &str) -> String {
    match scale {
        Scale::One | Scale::Hot(_) => format!("one {name}"),
        Scale::Import(_) => format!("many {name}"),
    }
}

/// The other build, as a peer.
pub(crate) fn against(program: &Path, address: &Address, scale: Scale) -> Result<Process, Failure> {
    let hello = Hello {
        address: address.clone(),
        form: form(scale, "ours"),
        turns: None,
    };
    Process::start(
        "against".to_owned(),
        Command::new(program).arg(SERVE),
        &hello,
    )
}

/// How many instructions the contender of this name takes for the first turns of these, and for all that a program does beside
/// them.
pub(crate) fn instructions(
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
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
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
    collected(&told)
        .filter(|_| output.status.success() && !answers.contains("error"))
        .ok_or_else(|| format!("{name} under callgrind: {answers}{told}").into())
}

/// `==4711== Collected : 12345`
fn collected(told: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// Answers turn by turn until the input ends.
pub(crate) async fn serve() -> Result<(), Failure> {
    let mut lines = stdin().lock().lines();
    let Some(hello) = lines.next() else {
        return Ok(());
    };
    let hello: Hello = serde_json::from_str(&hello?)?;
    let contender = match hello.address.target.as_str() {
        "postgres" => contender::<Postgres>(&hello)?,
        "mysql" => contender::<MySql>(&hello)?,
        _ => contender::<Sqlite>(&hello)?,
    };
    answer_turns(&*contender, &hello, lines).await
}

fn contender<DB: Engine>(hello: &Hello) -> Result<Box<dyn Contender>, Failure> {
    DB::pool(&hello.address, 1)?;
    let pool = || DB::pool(&hello.address, 1).expect("an address that was read before");
    let (all, name) = match hello.form.split_once(' ') {
        Some(("many", name)) => (DB::bulks(&pool), name),
        Some((_, name)) => (DB::singles(&pool), name),
        None => return Err(format!("no such form: `{}`", hello.form).into()),
    };
    let named = all.into_iter().find(|contender| contender.name() == name);
    named.ok_or_else(|| format!("no such contender: `{name}`").into())
}

async fn answer_turns(
    contender: &dyn Contender,
    hello: &Hello,
    given: Lines<StdinLock<'_>>,
) -> Result<(), Failure> {
    answer(&Answer::Seconds(0.0))?;
    for (number, turn) in given.enumerate() {
        let turn: Turn = serde_json::from_str(&turn?)?;
        if hello.turns.is_some_and(|turns| number >= turns) {
            continue;
        }
        answer(&match contender.run(turn.records).await {
            Ok(took) => Answer::Seconds(took.as_secs_f64()),
            Err(error) => Answer::Error(error.to_string()),
        })?;
    }
    Ok(())
}

fn answer(answer: &Answer) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_tells_is_read() {
        let told = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(told), Some(123_456));
        assert_eq!(collected("valgrind: failed to start"), None);
    }
}
