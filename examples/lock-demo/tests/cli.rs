//! The program as a user runs it.

use assert_cmd::Command;

fn program() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lock-demo"));
    command.timeout(std::time::Duration::from_mins(1));
    command
}

/// The seconds at which a line with this text was printed.
fn at(output: &str, text: &str) -> f64 {
    let line = output
        .lines()
        .find(|line| line.contains(text))
        .unwrap_or_else(|| panic!("no line says {text:?}: {output}"));
    let (seconds, _) = line.trim().split_once(" s ").expect("a time");
    seconds.parse().expect("seconds")
}

#[test]
fn the_story_on_sqlite() {
    let output = program().assert().success().get_output().stdout.clone();
    let output = String::from_utf8(output).expect("text");
    let (asked, told) = (at(&output, "will not wait"), at(&output, "Error::Locked"));
    assert!(told - asked < 0.2, "at once: {output}");
    let asked = at(&output, "will wait for 2s at most");
    let told = at(&output, "Error::LockTimeout");
    assert!(
        (1.9..2.9).contains(&(told - asked)),
        "two seconds: {output}"
    );
    let committed = at(&output, "has set uses = 1");
    assert!(told < committed, "the holder still has it: {output}");
    assert!(
        at(&output, "has the row, uses = 1") >= committed,
        "{output}"
    );
    assert!(at(&output, "has set uses = 2") >= committed, "{output}");
    assert!(output.contains("uses: 2 }: nothing is lost"), "{output}");
    assert!(
        !output.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
}

#[test]
fn an_unknown_scheme() {
    let assert = program()
        .args(["--database-url", "oracle://secret@host"])
        .assert();
    let output = assert.code(1).get_output().stderr.clone();
    let output = String::from_utf8(output).expect("text");
    assert!(output.contains("expected sqlite://"), "{output}");
    assert!(
        !output.contains("secret"),
        "a URL may hold a password: {output}"
    );
}

#[test]
fn no_server() {
    for url in [
        "postgres://user:secret@127.0.0.1:1/x",
        "mysql://user:secret@127.0.0.1:1/x",
    ] {
        let assert = program().args(["--database-url", url]).assert();
        let output = assert.code(1).get_output().stderr.clone();
        let output = String::from_utf8(output).expect("text");
        assert!(output.contains("127.0.0.1:1 cannot be reached"), "{output}");
        assert!(!output.contains("secret"), "{output}");
    }
}
