//! Mistakes that must not compile, with what the compiler says, and what must compile.
//!
//! The messages are those of one version of rustc: with another one the mistakes are reported as ignored. After a wanted
//! change: `TRYBUILD=overwrite cargo test -p upsert-tests --test ui`, and read the difference.

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

/// The version whose messages are stored.
const RUSTC: &str = "rustc 1.95.";

fn main() -> ExitCode {
    let rustc = Command::new("rustc").arg("--version").output();
    let version = rustc
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let other = !version.starts_with(RUSTC);
    if other && std::env::var_os("CI").is_some() {
        eprintln!(
            "messages are compared on {RUSTC}x only, and CI must compare them; this is {version}"
        );
        return ExitCode::FAILURE;
    }
    if other {
        eprintln!("messages are compared on {RUSTC}x only; this is {version}");
    }
    let trials = vec![
        Trial::test("ui::pass", || run(|cases| cases.pass("tests/ui/pass/*.rs"))),
        Trial::test("ui::fail", || {
            run(|cases| cases.compile_fail("tests/ui/fail/*.rs"))
        })
        .with_ignored_flag(other),
    ];
    let mut arguments = Arguments::from_args();
    // Two builds would only wait for each other.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[expect(clippy::unnecessary_wraps, reason = "the type of a trial")]
fn run(add: impl Fn(&trybuild::TestCases)) -> Result<(), libtest_mimic::Failed> {
    // It compiles and compares when it is dropped, and panics if something differs.
    let cases = trybuild::TestCases::new();
    add(&cases);
    drop(cases);
    Ok(())
}
