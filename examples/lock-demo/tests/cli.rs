//! The program as a user runs it, on SQLite.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but not in their helpers"
)]

use std::fs;
use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

/// Runs the program with these arguments.
fn run(args: &[&str]) -> Run {
    let mut program = Command::new(assert_cmd::cargo::cargo_bin!("lock-demo"));
    program.timeout(Duration::from_mins(1));
    Run(program.args(args).output().unwrap())
}

/// What the program said.
struct Run(Output);

impl Run {
    #[track_caller]
    fn status(self, expected: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(expected), "{}", self.stderr());
        self
    }

    fn stdout(&self) -> &str {
        str::from_utf8(&self.0.stdout).unwrap()
    }

    fn stderr(&self) -> &str {
        str::from_utf8(&self.0.stderr).unwrap()
    }

    /// The events of the story.
    fn events(&self) -> Vec<Event<'_>> {
        self.stdout().lines().filter_map(Event::parse).collect()
    }
}

/// A line of the timeline.
#[derive(Debug)]
struct Event<'a> {
    seconds: f64,
    /// Who, and what.
    text: &'a str,
}

impl<'a> Event<'a> {
    /// `  0.20 s  no-wait     asks …`; `None` for a line without a time.
    fn parse(line: &'a str) -> Option<Self> {
        let (seconds, text) = line.split_once(" s  ")?;
        let seconds = seconds.trim().parse().ok()?;
        Some(Self { seconds, text })
    }
}

/// The whole story, in the order in which it must happen.
const STORY: [&str; 11] = [
    "holder      asks for the row",
    "holder      has the row, uses = 0; keeps it for 3s",
    "no-wait     asks for the row, and will not wait",
    "no-wait     is answered at once, Error::Locked: beginning a transaction: locked by another transaction",
    "two-second  asks for the row, and will wait for 2s at most",
    "waiter      asks for the row, and will wait for as long as it takes",
    "two-second  gives up, Error::LockTimeout: beginning a transaction: a lock was not granted in time",
    "holder      has set uses = 1; commits",
    "waiter      has the row, uses = 1",
    "waiter      has set uses = 2; commits",
    "Taxonomy { id: 1, slug: \"rock\", uses: 2 }: nothing is lost",
];

/// Runs statements on a SQLite file, or fails.
fn execute(url: &str, sql: &'static str) -> sqlx::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let done = sqlx::raw_sql(sql).execute(&mut connection).await;
        connection.close().await.unwrap();
        done.map(drop)
    })
}

#[test]
fn without_arguments_the_story_is_played_on_sqlite() {
    let run = run(&[]).status(0);
    assert!(run.stdout().starts_with("SQLite, "), "{}", run.stdout());
    assert_eq!(run.stderr(), "");

    let events = run.events();
    let texts: Vec<_> = events.iter().map(|event| event.text).collect();
    assert_eq!(texts, STORY);
    assert!(
        events.is_sorted_by_key(|event| event.seconds),
        "{events:#?}"
    );

    let waited = events[6].seconds - events[4].seconds;
    assert!((1.9..2.9).contains(&waited), "{events:#?}");
    assert!(
        !run.stdout().contains('\u{1b}'),
        "no colours where there is no terminal"
    );
}

#[test]
fn a_database_of_the_users_is_as_before() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.db");
    let url = format!("sqlite://{}", file.display());
    execute(
        &format!("{url}?mode=rwc"),
        "CREATE TABLE taxonomy (id integer PRIMARY KEY)",
    )
    .unwrap();

    let run = run(&["--database-url", &url]).status(0);
    assert_eq!(run.events().len(), STORY.len());
    execute(&url, "SELECT id FROM taxonomy").unwrap();
    assert!(execute(&url, "SELECT id FROM lock_demo").is_err());
    // The journal mode is kept in the file too: 1 is a rollback journal, 2 a WAL.
    assert_eq!(fs::read(&file).unwrap()[18], 1);
}

#[test]
fn a_table_of_that_name_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("mine.db").display());
    execute(
        &format!("{url}?mode=rwc"),
        "CREATE TABLE lock_demo (mine text)",
    )
    .unwrap();

    let run = run(&["--database-url", &url]).status(1);
    assert_eq!(run.stdout(), "");
    assert!(run.stderr().contains("`lock_demo`"), "{}", run.stderr());
    assert!(run.stderr().contains("already exists"), "{}", run.stderr());
    execute(&url, "SELECT mine FROM lock_demo").unwrap();
}

#[test]
fn a_url_that_cannot_be_read_is_told_and_not_shown() {
    for url in [
        "oracle://someone:hunter2@localhost/test",
        "hunter2",
        "postgres://someone:hunter2@localhost:port/test",
        "mysql://someone:hunter2/@localhost/test",
    ] {
        let run = run(&["--database-url", url]).status(1);
        assert!(!run.stderr().contains("hunter2"), "{}", run.stderr());
        assert_eq!(run.stderr().lines().count(), 1, "{}", run.stderr());
        assert_eq!(run.stdout(), "");
    }
    let run = run(&["--database-url", "oracle://localhost"]).status(1);
    assert_eq!(
        run.stderr(),
        "lock-demo: the database URL cannot be read: expected sqlite://…, postgres://… or mysql://… (MariaDB too)\n"
    );
}

#[test]
fn a_database_in_memory_is_refused() {
    for url in [
        "sqlite::memory:",
        "sqlite://a?mode=memory",
        "sqlite://a.db?mode=rwc&cache=shared",
    ] {
        let run = run(&["--database-url", url]).status(1);
        assert!(run.stderr().contains("name a file"), "{}", run.stderr());
        assert_eq!(run.stdout(), "");
    }
}

#[test]
fn a_server_that_is_not_there_is_told_without_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for scheme in ["postgres", "postgresql", "mysql", "mariadb"] {
        let url = format!("{scheme}://someone:hunter2@127.0.0.1:{port}/test");
        let run = run(&["--database-url", &url]).status(1);
        let told = format!("lock-demo: 127.0.0.1:{port} cannot be reached: ");
        assert!(run.stderr().starts_with(&told), "{}", run.stderr());
        assert!(!run.stderr().contains("hunter2"), "{}", run.stderr());
        assert_eq!(run.stderr().lines().count(), 1, "{}", run.stderr());
        assert_eq!(run.stdout(), "");
    }
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("none.db");
    let url = format!("sqlite://{}", file.display());
    let run = run(&["--database-url", &url]).status(1);
    assert!(run.stderr().contains("none.db cannot be reached"));
    assert!(!file.exists());
}
