//! This program as a contender of another process: of another build of it (`--against`), or under valgrind (`--count`).

use std::io::{BufRead, Lines, StdinLock, stdin};
use std::path::Path;
use std::process::Command;

use sqlx::{MySql, Postgres, Sqlite};

use crate::contender::process::{Answer, Hello, Process, Turn};
use crate::contender::{Contender, Failure};
use crate::engine::Engine;
use crate::scale::Scale;
use crate::setting::Address;

/// The argument that has it serve.
pub(crate) const SERVE: &str = "--serve";

/// How a contender is named to a program: by what it is given in a call, and its name.
pub(crate) fn form(scale: Scale, name: &str) -> String {
    match scale {
        Scale::One | Scale::Hot(_) => format!("one {name}"),
        // Builds that do not know it say so, as they know no contender of this name.
        Scale::Held => format!("one {name} held"),
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
    let words: Vec<_> = hello.form.split(' ').collect();
    let (all, name) = match words[..] {
        ["many", name] => (DB::bulks(&pool), name),
        ["one", name] => (DB::singles(&pool), name),
        ["one", name, "held"] => (DB::held(&pool), name),
        _ => return Err(format!("no such form: `{}`", hello.form).into()),
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
