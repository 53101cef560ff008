//! The program as a user runs it, on SQLite.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, but not in their helpers"
)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Map, Value};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

const LAST_VERSION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/emoji-7.0.2.jsonl");

/// A folder of its own, in which the program runs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Runs the program with these arguments.
    fn run(&self, args: &[&str]) -> Run {
        let mut program = Command::new(assert_cmd::cargo::cargo_bin!("taxonomy-import"));
        Run(program.current_dir(&self.0).args(args).output().unwrap())
    }

    /// Runs the program, and gives it this on standard input.
    fn run_with(&self, args: &[&str], stdin: &str) -> Run {
        let mut program = Command::new(assert_cmd::cargo::cargo_bin!("taxonomy-import"));
        let program = program.current_dir(&self.0).args(args).write_stdin(stdin);
        Run(program.output().unwrap())
    }

    /// Runs a statement on the database.
    fn execute(&self, sql: &'static str) {
        read(&self.path("taxonomy.db"), sql);
    }

    /// The slug and name of each row that is not marked as deleted.
    fn live(&self) -> Vec<(String, String)> {
        let rows = read(
            &self.path("taxonomy.db"),
            "SELECT remote_id, slug, name, description, parent FROM taxonomy WHERE deleted_at IS NULL ORDER BY slug",
        );
        rows.into_iter().map(|row| (row.1, row.2)).collect()
    }

    /// Everything in the table, but the ids and times.
    fn rows(&self) -> Vec<Row> {
        read(
            &self.path("taxonomy.db"),
            "SELECT remote_id, slug, name, description, parent FROM taxonomy ORDER BY slug",
        )
    }
}

type Row = (
    Option<String>,
    String,
    String,
    Option<String>,
    Option<String>,
);

fn read(database: &Path, sql: &'static str) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", database.display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query_as(sql).fetch_all(&mut connection).await;
        connection.close().await.unwrap();
        rows.unwrap()
    })
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

    /// The objects that `--json` prints.
    fn objects(&self) -> Vec<Map<String, Value>> {
        let lines = self.stdout().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// For each file: records, created, updated, unchanged, failed; what is missing to the sum is superseded.
    fn counts(&self) -> Vec<[u64; 5]> {
        let names = ["records", "created", "updated", "unchanged", "failed"];
        let objects = self.objects();
        objects
            .iter()
            .map(|object| names.map(|name| object[name].as_u64().unwrap()))
            .collect()
    }
}

/// A count of the first file, and that all of them add up.
#[track_caller]
fn count(run: &Run, name: &str) -> u64 {
    for object in run.objects() {
        let names = [
            "created",
            "updated",
            "unchanged",
            "protected",
            "stale",
            "skipped",
            "superseded",
            "failed",
        ];
        let sum: u64 = names
            .iter()
            .map(|name| object[*name].as_u64().unwrap())
            .sum();
        assert_eq!(object["records"], sum);
    }
    run.objects()[0][name].as_u64().unwrap()
}

#[test]
fn each_version_updates_the_one_before() {
    let folder = Folder::new();
    let run = folder.run(&["--json"]).status(0);
    assert_eq!(
        run.counts(),
        [
            [1300, 1300, 0, 0, 0],
            [1568, 268, 1078, 222, 0],
            [1817, 249, 592, 976, 0]
        ]
    );
    assert_eq!(folder.rows().len(), 1300 + 268 + 249);

    let run = folder.run(&["--json", LAST_VERSION]).status(0);
    assert_eq!(run.counts(), [[1817, 0, 0, 1817, 0]]);
}

#[test]
fn a_second_run_changes_nothing() {
    let folder = Folder::new();
    let run = folder.run(&["--json", LAST_VERSION]).status(0);
    assert_eq!(run.counts(), [[1817, 1817, 0, 0, 0]]);
    let stored = fs::read(folder.path("taxonomy.db")).unwrap();

    let run = folder.run(&["--json", LAST_VERSION]).status(0);
    assert_eq!(run.counts(), [[1817, 0, 0, 1817, 0]]);
    assert_eq!(fs::read(folder.path("taxonomy.db")).unwrap(), stored);
}

#[test]
fn a_record_that_is_gone_from_a_newer_version_stays() {
    let folder = Folder::new();
    folder.write(
        "1.jsonl",
        "{\"remote_id\":\"1\",\"slug\":\"a\",\"name\":\"A\"}\n",
    );
    folder.write(
        "2.jsonl",
        "{\"remote_id\":\"2\",\"slug\":\"b\",\"name\":\"B\"}\n",
    );
    folder.run(&["1.jsonl", "2.jsonl"]).status(0);
    assert_eq!(folder.rows().len(), 2);
}

#[test]
fn json_is_an_object_a_file() {
    let folder = Folder::new();
    folder.write("a.jsonl", "\n{\"slug\":\"a\",\"name\":\"A\"}\n  \r\n{}\n");
    folder.write("empty.jsonl", "");
    let run = folder.run(&["--json", "a.jsonl", "empty.jsonl"]).status(1);
    let objects = run.objects();
    assert_eq!(objects.len(), 2);
    for object in &objects {
        let mut names: Vec<_> = object.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "created",
                "deleted",
                "failed",
                "file",
                "missing",
                "protected",
                "records",
                "seconds",
                "skipped",
                "stale",
                "superseded",
                "unchanged",
                "updated"
            ]
        );
        assert!(object["seconds"].is_f64());
    }
    assert_eq!(objects[0]["file"], "a.jsonl");
    assert_eq!(run.counts(), [[2, 1, 0, 0, 1], [0; 5]]);
}

#[test]
fn the_table_has_a_line_for_each_file() {
    let folder = Folder::new();
    folder.write("a.jsonl", "{\"slug\":\"a\",\"name\":\"A\"}");
    let run = folder.run(&["a.jsonl"]).status(0);
    let words: Vec<Vec<_>> = run
        .stdout()
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words[0],
        [
            "file",
            "records",
            "created",
            "updated",
            "unchanged",
            "superseded",
            "failed",
            "missing",
            "deleted",
            "seconds"
        ]
    );
    assert_eq!(words[1][..6], ["a.jsonl", "1", "1", "0", "0", "0"]);
    assert_eq!(words.len(), 2);
    assert_eq!(run.stderr(), "");
}

#[test]
fn a_dry_run_counts_the_same_and_writes_nothing() {
    let folder = Folder::new();
    folder.write(
        "old.jsonl",
        "{\"remote_id\":\"1F600\",\"slug\":\"old\",\"name\":\"A\"}",
    );
    folder.run(&["old.jsonl"]).status(0);
    let stored = fs::read(folder.path("taxonomy.db")).unwrap();
    folder.write("bad.jsonl", "{\"slug\":\"bad\"}");
    let files = ["--json", LAST_VERSION, LAST_VERSION, "bad.jsonl"];

    let dry = folder.run(&[&["--dry-run"], &files[..]].concat()).status(1);
    assert_eq!(fs::read(folder.path("taxonomy.db")).unwrap(), stored);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 3);

    let real = folder.run(&files).status(1);
    assert_eq!(dry.counts(), real.counts());
    assert_eq!(
        real.counts(),
        [
            [1817, 1816, 1, 0, 0],
            [1817, 0, 0, 1817, 0],
            [1, 0, 0, 0, 1]
        ]
    );
    assert_eq!(dry.stderr(), real.stderr());
}

#[test]
fn a_dry_run_makes_neither_database_nor_table() {
    let folder = Folder::new();
    let run = folder.run(&["--dry-run"]).status(2);
    assert_eq!(
        run.stderr(),
        "taxonomy-import: there is no database taxonomy.db, and a dry run makes none\n"
    );
    assert_eq!(run.stdout(), "");
    assert!(!folder.path("taxonomy.db").exists());

    folder.write("taxonomy.db", "");
    let run = folder.run(&["--dry-run"]).status(2);
    assert!(run.stderr().contains("`taxonomy`"), "{}", run.stderr());
    assert_eq!(fs::read(folder.path("taxonomy.db")).unwrap(), b"");
}

#[test]
fn a_bad_line_is_told_and_the_rest_goes_on() {
    let folder = Folder::new();
    let lines: [&[u8]; 9] = [
        b"{\"slug\":\"first\",\"name\":\"First\"}",
        b"{\"slug\":\"secret\"",
        b"",
        b"{\"name\":\"secret\"}",
        b"{\"slug\":\"secret\"}",
        b"{\"slug\":\"a\",\"name\":{\"b\":\"secret\"}}",
        b"{\"slug\":\"secret\xff\",\"name\":\"A\"}",
        b"{\"slug\":\"  \",\"name\":\"secret\"}",
        b"{\"slug\":\"last\",\"name\":\"Last\"}",
    ];
    folder.write("a.jsonl", lines.join(&b'\n'));
    let run = folder.run(&["--json", "a.jsonl"]).status(1);
    assert_eq!(
        run.stderr().lines().collect::<Vec<_>>(),
        [
            "a.jsonl:2: EOF while parsing an object at column 16",
            "a.jsonl:4: missing field `slug`",
            "a.jsonl:5: missing field `name`",
            "a.jsonl:6: field `name` is an object, not a string",
            "a.jsonl:7: not UTF-8",
            "a.jsonl:8: blank field `slug`",
        ]
    );
    assert_eq!(run.counts(), [[8, 2, 0, 0, 6]]);
    let slugs: Vec<_> = folder.rows().into_iter().map(|row| row.1).collect();
    assert_eq!(slugs, ["first", "last"]);
}

#[test]
fn a_record_that_cannot_be_stored_is_told_and_the_rest_goes_on() {
    let folder = Folder::new();
    folder.write(
        "a.jsonl",
        "{\"remote_id\":\"1\",\"slug\":\"secret\",\"name\":\"A\"}\n\
         {\"remote_id\":\"2\",\"slug\":\"b\",\"name\":\"B\"}\n\
         {\"remote_id\":\"2\",\"slug\":\"secret\",\"name\":\"B\"}\n\
         {\"remote_id\":\"3\",\"slug\":\"c\",\"name\":\"C\"}\n",
    );
    // Line 3 is line 2 once more, and has the slug of line 1: of two that want a slug the last one gets it.
    let run = folder.run(&["--json", "a.jsonl"]).status(1);
    assert_eq!(
        run.stderr(),
        "a.jsonl:1: the `Taxonomy` found by `slug` is another record by its `remote_id`\n"
    );
    assert_eq!(run.counts(), [[4, 2, 0, 0, 1]]);
    assert_eq!(run.objects()[0]["superseded"], 1);
    // A dry run over them goes on after the error too.
    let run = folder.run(&["--json", "--dry-run", "a.jsonl"]).status(1);
    assert_eq!(run.counts(), [[4, 0, 0, 2, 1]]);
}

#[test]
fn one_by_one_each_record_is_judged_by_the_rows_as_they_are() {
    let folder = Folder::new();
    folder.write("a.jsonl", lines(&[("1", "a"), ("2", "b")]));
    folder.write("b.jsonl", lines(&[("1", "b"), ("2", "a")]));
    for (way, status, counts) in [
        (&["--one-by-one"][..], 1, [2, 0, 0, 0, 2]),
        (&[], 0, [2, 0, 2, 0, 0]),
    ] {
        folder.run(&["a.jsonl"]).status(0);
        let run = folder.run(&[&["--json", "b.jsonl"], way].concat());
        assert_eq!(run.status(status).counts(), [counts]);
    }
    let run = folder.run(&["--json", "--one-by-one", "--dry-run", "b.jsonl"]);
    assert_eq!(run.status(0).counts(), [[2, 0, 0, 2, 0]]);
    folder.run(&["--one-by-one", "--chunk-size", "7"]).status(2);
    folder
        .run(&["--one-by-one", "--missing", "delete"])
        .status(2);
}

/// A line of a version.
fn version(slug: &str, name: &str, time: &str) -> String {
    format!("{{\"slug\":\"{slug}\",\"name\":\"{name}\",\"source_updated_at\":\"{time}\"}}\n")
}

/// A line for each remote id and slug.
fn lines(records: &[(&str, &str)]) -> String {
    let line = |(remote_id, slug): &(&str, &str)| {
        format!("{{\"remote_id\":\"{remote_id}\",\"slug\":\"{slug}\",\"name\":\"N\"}}\n")
    };
    records.iter().map(line).collect()
}

#[test]
fn a_dry_run_prints_a_diff() {
    let folder = Folder::new();
    folder.write("a.jsonl", lines(&[("1", "a"), ("2", "b"), ("3", "c")]));
    folder.run(&["a.jsonl"]).status(0);
    let rows = folder.rows();
    folder.write(
        "b.jsonl",
        "{\"remote_id\":\"1\",\"slug\":\"a\",\"name\":\"N\\u001b[2J\"}\n\
         {\"remote_id\":\"2\",\"slug\":\"b\",\"name\":\"N\",\"parent\":\"P\"}\n\
         {\"remote_id\":\"4\",\"slug\":\"d\",\"name\":\"N\"}\n",
    );
    let arguments = [
        "--dry-run",
        "--missing",
        "delete",
        "--max-share",
        "0.5",
        "b.jsonl",
    ];
    let run = folder.run(&arguments).status(0);
    let (diff, _) = run.stdout().split_once(" file ").unwrap();
    let expected = "~ a\n  name: N → N\\u{1b}[2J\n~ b\n  parent: ∅ → P\n+ d\n- c\n";
    assert_eq!(diff, expected);
    assert_eq!(folder.rows(), rows);
    let json = folder
        .run(&[&arguments[..], &["--json"]].concat())
        .status(0);
    let object = &json.objects()[0];
    assert_eq!(
        (&object["missing"], &object["deleted"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn missing_rows_are_deleted_within_a_share() {
    let folder = Folder::new();
    let records: Vec<(String, String)> = (0..20)
        .map(|n| (format!("r{n}"), format!("s{n}")))
        .collect();
    let records: Vec<(&str, &str)> = records
        .iter()
        .map(|(one, other)| (&**one, &**other))
        .collect();
    folder.write("a.jsonl", lines(&records));
    folder.write("b.jsonl", lines(&records[2..]));
    folder.write("c.jsonl", lines(&records[5..]));
    folder.run(&["a.jsonl"]).status(0);
    let run = folder.run(&["--missing", "delete", "c.jsonl"]).status(1);
    for words in ["refused to delete 5 of 20", "--max-share"] {
        assert!(run.stderr().contains(words), "{}", run.stderr());
    }
    assert_eq!(folder.rows().len(), 20);
    folder.run(&["--missing", "delete", "b.jsonl"]).status(0);
    assert_eq!(folder.rows().len(), 18);
    let arguments = ["--missing", "delete", "--max-share", "0.2", "c.jsonl"];
    folder.run(&arguments).status(0);
    assert_eq!(folder.rows().len(), 15);
    folder.run(&["--max-share", "2", "c.jsonl"]).status(2);
    folder.run(&["--chunk-size", "0", "c.jsonl"]).status(2);
}

#[test]
fn the_size_of_a_chunk_changes_nothing() {
    let folder = Folder::new();
    let run = folder.run(&["--json", "--chunk-size", "7"]).status(0);
    let counts: Vec<_> = run
        .counts()
        .iter()
        .map(|counts| counts[1..4].to_vec())
        .collect();
    assert_eq!(counts, [[1300, 0, 0], [268, 1078, 222], [249, 592, 976]]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_once() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, lines(&[("1", "a"), ("2", "b")])).unwrap()
    });
    let run = folder.run(&["--json", "pipe"]).status(0);
    writer.join().unwrap();
    assert_eq!(run.counts(), [[2, 2, 0, 0, 0]]);
}

#[test]
fn a_blank_remote_id_is_null() {
    let folder = Folder::new();
    folder.write(
        "a.jsonl",
        "{\"remote_id\":\" \",\"slug\":\" a \",\"name\":\"A\",\"description\":\"\",\"parent\":\"P\"}\n\
         {\"remote_id\":null,\"slug\":\"b\",\"name\":\"B\"}\n\
         {\"slug\":\"c\",\"name\":\"C\"}\n",
    );
    folder.run(&["a.jsonl"]).status(0);
    let row = |slug: &str, name: &str, description: Option<&str>, parent: Option<&str>| -> Row {
        (
            None,
            slug.to_owned(),
            name.to_owned(),
            description.map(str::to_owned),
            parent.map(str::to_owned),
        )
    };
    assert_eq!(
        folder.rows(),
        [
            row("a", "A", Some(""), Some("P")),
            row("b", "B", None, None),
            row("c", "C", None, None)
        ]
    );
}

#[test]
fn a_file_begins_with_a_byte_order_mark_and_ends_without_a_newline() {
    let folder = Folder::new();
    folder.write(
        "a.jsonl",
        "\u{feff}{\"slug\":\"a\",\"name\":\"A\"}\r\n{\"slug\":\"b\",\"name\":\"B\"}",
    );
    folder.run(&["a.jsonl"]).status(0);
    assert_eq!(folder.rows().len(), 2);
}

#[test]
fn without_one_of_the_files_nothing_is_imported() {
    let folder = Folder::new();
    folder.write("a.jsonl", "{\"slug\":\"a\",\"name\":\"A\"}");
    for missing in ["missing.jsonl", "."] {
        let run = folder.run(&["a.jsonl", missing]).status(2);
        assert!(run.stderr().contains(missing), "{}", run.stderr());
        assert_eq!(run.stdout(), "");
        assert!(!folder.path("taxonomy.db").exists());
    }
}

/// A file that is opened, and whose first byte cannot be read.
#[test]
#[cfg(target_os = "linux")]
fn a_file_that_can_be_read_no_further_stops_the_import() {
    let folder = Folder::new();
    folder.write("a.jsonl", "{\"slug\":\"a\",\"name\":\"A\"}");
    folder.write("b.jsonl", "{\"slug\":\"b\",\"name\":\"B\"}");
    for way in [&["--missing", "delete"][..], &["--one-by-one"]] {
        let files = ["a.jsonl", "/proc/self/mem", "b.jsonl"];
        let run = folder.run(&[way, &files].concat()).status(2);
        let stderr = run.stderr();
        assert!(stderr.contains("/proc/self/mem cannot be read"), "{stderr}");
        // What came before stays.
        assert_eq!(folder.rows().len(), 1);
    }
}

#[test]
fn a_server_that_is_not_there_is_told_at_once_and_without_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for scheme in ["postgres", "postgresql", "mysql", "mariadb"] {
        let url = format!("{scheme}://someone:hunter2@127.0.0.1:{port}/test");
        let run = Folder::new().run(&["--database-url", &url]).status(2);
        assert!(run.stderr().contains(&format!("127.0.0.1:{port}")));
        assert!(!run.stderr().contains("hunter2"), "{}", run.stderr());
        assert!(!run.stderr().contains("://"), "{}", run.stderr());
    }
}

#[test]
fn a_url_that_cannot_be_read_is_not_shown() {
    for url in [
        "oracle://someone:hunter2@localhost/test",
        "hunter2",
        "postgres://someone:hunter2@localhost:port/test",
        "mysql://someone:hunter2/@localhost/test",
    ] {
        let run = Folder::new().run(&["--database-url", url]).status(2);
        assert!(!run.stderr().contains("hunter2"), "{}", run.stderr());
    }
    let run = Folder::new().run(&["--database-url", "oracle://localhost"]);
    for scheme in ["sqlite://", "postgres://", "mysql://"] {
        assert!(run.stderr().contains(scheme), "{}", run.stderr());
    }
}

#[test]
fn an_error_of_no_record_stops_the_import() {
    let folder = Folder::new();
    folder.write("a.jsonl", "{\"slug\":\"a\",\"name\":\"A\"}");
    folder.run(&["a.jsonl"]).status(0);
    // It takes the transaction away from the dry run.
    read(
        &folder.path("taxonomy.db"),
        "CREATE TRIGGER stop BEFORE INSERT ON taxonomy WHEN new.slug = 'stop'
         BEGIN SELECT raise(ROLLBACK, 'stop'); END",
    );
    folder.write(
        "b.jsonl",
        "{\"slug\":\"b\",\"name\":\"B\"}\n{\"slug\":\"stop\",\"name\":\"S\"}\n{\"slug\":\"c\",\"name\":\"C\"}",
    );
    let run = folder
        .run(&["--dry-run", "--json", "a.jsonl", "b.jsonl", "a.jsonl"])
        .status(2);
    assert!(
        run.stderr()
            .starts_with("taxonomy-import: stopped at b.jsonl: `Taxonomy`: "),
        "{}",
        run.stderr()
    );
    assert_eq!(run.stderr().lines().count(), 1, "{}", run.stderr());
    // What was done until then is told.
    assert_eq!(run.counts(), [[1, 0, 0, 1, 0], [0; 5]]);
    assert_eq!(folder.rows().len(), 1);
}

#[test]
fn a_table_with_other_columns_is_left_alone() {
    let folder = Folder::new();
    folder.run(&[LAST_VERSION]).status(0);
    let database = folder.path("taxonomy.db");
    read(
        &database,
        "ALTER TABLE taxonomy RENAME COLUMN parent TO other",
    );
    let run = folder.run(&[LAST_VERSION]).status(2);
    assert!(run.stderr().contains("parent"), "{}", run.stderr());
    assert_eq!(run.stdout(), "");
}

#[test]
fn bad_usage_is_told() {
    Folder::new().run(&["--no-such-option"]).status(2);
    Folder::new().run(&["--database-url"]).status(2);
}

#[test]
fn an_older_version_is_stale_if_versions_are_compared() {
    for way in [&[][..], &["--one-by-one"]] {
        let folder = Folder::new();
        // Finer than a microsecond, and the second line is the older one.
        let new = version("a", "New", "2026-02-01T10:00:00.123456789+01:00");
        folder.write("new.jsonl", new);
        folder.write("old.jsonl", version("a", "Old", "2026-02-01T08:59:59Z"));
        folder.run(&["new.jsonl"]).status(0);
        let again = folder.run(&[way, &["--json", "--newer", "new.jsonl"]].concat());
        assert_eq!(count(&again.status(0), "unchanged"), 1);

        let run = folder.run(&[way, &["--json", "--newer", "old.jsonl"]].concat());
        assert_eq!(count(&run.status(0), "stale"), 1);
        assert_eq!(folder.rows()[0].2, "New");
        // It is in the table, too, where there is one.
        let run = folder
            .run(&[way, &["--newer", "old.jsonl"]].concat())
            .status(0);
        assert!(run.stdout().contains("stale"), "{}", run.stdout());

        let run = folder.run(&[way, &["--json", "old.jsonl"]].concat());
        assert_eq!(count(&run.status(0), "updated"), 1);
        assert_eq!(folder.rows()[0].2, "Old");
    }
    let folder = Folder::new();
    folder.write("a.jsonl", version("a", "A", "yesterday"));
    let run = folder.run(&["a.jsonl"]).status(1);
    let told = "a.jsonl:1: field `source_updated_at` is no RFC 3339 time\n";
    assert_eq!(run.stderr(), told);
}

#[test]
fn locked_rows_are_protected_if_asked_for() {
    let folder = Folder::new();
    folder.write("a.jsonl", lines(&[("1", "a"), ("2", "b"), ("3", "c")]));
    folder.write("b.jsonl", lines(&[("1", "x"), ("2", "y")]));
    folder.run(&["a.jsonl"]).status(0);
    folder.execute("UPDATE taxonomy SET locked = true WHERE slug IN ('a', 'c')");
    let slugs =
        |folder: &Folder| -> Vec<_> { folder.rows().into_iter().map(|row| row.1).collect() };
    let arguments = ["--json", "--protect-locked", "b.jsonl"];

    let run = folder.run(&[&["--one-by-one"][..], &arguments].concat());
    assert_eq!(count(&run.status(0), "protected"), 1);
    assert_eq!(slugs(&folder), ["a", "c", "y"]);
    // A locked row is not missing either.
    let run = folder.run(&[&["--missing", "delete"][..], &arguments].concat());
    let run = run.status(0);
    assert_eq!((count(&run, "protected"), count(&run, "missing")), (1, 0));
    assert_eq!(slugs(&folder), ["a", "c", "y"]);

    let run = folder.run(&["--json", "b.jsonl"]).status(0);
    assert_eq!(count(&run, "updated"), 1);
    assert_eq!(slugs(&folder), ["c", "x", "y"]);
}

#[test]
fn missing_rows_are_marked_and_come_back_as_asked() {
    let folder = Folder::new();
    folder.write("a.jsonl", lines(&[("1", "a"), ("2", "b")]));
    folder.write("b.jsonl", lines(&[("1", "a")]));
    folder.run(&["a.jsonl"]).status(0);
    let mark = ["--missing", "mark", "b.jsonl"];
    let run = folder.run(&mark).status(1);
    assert!(run.stderr().contains("--max-share"), "{}", run.stderr());
    let mark = [&["--json", "--max-share", "0.5"][..], &mark].concat();
    let run = folder.run(&mark).status(0);
    assert_eq!((count(&run, "missing"), count(&run, "deleted")), (1, 1));
    assert_eq!((folder.live().len(), folder.rows().len()), (1, 2));
    // It is not there any more, so it is not missing again.
    assert_eq!(count(&folder.run(&mark).status(0), "missing"), 0);

    for way in [&[][..], &["--one-by-one"]] {
        for (on_deleted, cause) in [
            (&[][..], "`--on-deleted revive`"),
            (&["--on-deleted", "ignore"], "`--on-deleted revive`"),
            (&["--on-deleted", "refuse"], "`--on-deleted refuse`"),
        ] {
            let run = folder.run(&[way, on_deleted, &["--json", "a.jsonl"]].concat());
            let run = run.status(1);
            assert_eq!(run.counts(), [[2, 0, 0, 1, 1]]);
            assert!(run.stderr().contains(cause), "{}", run.stderr());
            assert_eq!(folder.live().len(), 1);
        }
    }
    let dry = folder.run(&["--dry-run", "--on-deleted", "revive", "a.jsonl"]);
    let dry = dry.status(0);
    assert!(
        dry.stdout().starts_with("~ b\n  deleted_at: 2"),
        "{}",
        dry.stdout()
    );
    assert!(dry.stdout().contains(" → ∅\n"), "{}", dry.stdout());
    let run = folder.run(&["--json", "--on-deleted", "revive", "a.jsonl"]);
    assert_eq!(run.status(0).counts(), [[2, 0, 1, 1, 0]]);
    assert_eq!(folder.live().len(), 2);
}

#[test]
fn only_one_kind_of_record_is_written_if_asked_for() {
    let folder = Folder::new();
    folder.write("a.jsonl", lines(&[("1", "a")]));
    folder.write("b.jsonl", lines(&[("1", "x"), ("2", "b")]));
    folder.run(&["a.jsonl"]).status(0);
    let run = folder.run(&["--json", "--only", "create", "--dry-run", "b.jsonl"]);
    let run = run.status(0);
    assert_eq!((count(&run, "skipped"), count(&run, "created")), (1, 1));
    let run = folder
        .run(&["--json", "--only", "update", "b.jsonl"])
        .status(0);
    assert_eq!((count(&run, "skipped"), count(&run, "updated")), (1, 1));
    assert_eq!(folder.live(), [("x".to_owned(), "N".to_owned())]);
    folder
        .run(&["--only", "update", "--one-by-one", "b.jsonl"])
        .status(2);
}

#[test]
fn too_many_changes_are_refused() {
    let folder = Folder::new();
    folder.write(
        "a.jsonl",
        (0..21)
            .map(|n| version(&format!("s{n}"), "A", "2026-01-01T00:00:00Z"))
            .collect::<String>(),
    );
    folder.write(
        "b.jsonl",
        (0..21)
            .map(|n| version(&format!("s{n}"), "B", "2026-01-01T00:00:00Z"))
            .collect::<String>(),
    );
    folder.run(&["a.jsonl"]).status(0);
    let run = folder
        .run(&["--json", "--max-changed-share", "0.9", "b.jsonl"])
        .status(1);
    assert_eq!(
        run.stderr(),
        "taxonomy-import: b.jsonl: `Taxonomy`: refused to change 21 of 21 rows: that is more than its `--max-changed-share`\n"
    );
    assert_eq!(run.counts(), [[0; 5]]);
    assert!(folder.rows().iter().all(|row| row.2 == "A"));
    folder
        .run(&["--max-changed-share", "1", "b.jsonl"])
        .status(0);
    assert!(folder.rows().iter().all(|row| row.2 == "B"));
}

#[test]
fn one_failure_too_many_stops_the_import() {
    let folder = Folder::new();
    folder.write(
        "a.jsonl",
        "{\"slug\":\"a\",\"name\":\"A\"}\n{}\n{ }\n{  }\n",
    );
    let run = folder
        .run(&[
            "--json",
            "--max-failed",
            "1",
            "--rejected",
            "r.jsonl",
            "a.jsonl",
        ])
        .status(1);
    let stderr: Vec<_> = run.stderr().lines().collect();
    assert_eq!(
        stderr,
        [
            "a.jsonl:2: missing field `slug`",
            "a.jsonl:3: missing field `slug`",
            "taxonomy-import: stopped at a.jsonl: more records failed than --max-failed allows"
        ]
    );
    // The one too many is not counted, but is to be mended, too.
    assert_eq!(count(&run, "failed"), 1);
    assert_eq!(
        fs::read_to_string(folder.path("r.jsonl")).unwrap(),
        "{}\n{ }\n"
    );
    assert_eq!(folder.rows().len(), 0);
    let run = folder
        .run(&["--json", "--max-failed", "3", "a.jsonl"])
        .status(1);
    assert_eq!(run.counts(), [[4, 1, 0, 0, 3]]);
}

#[test]
fn lines_that_failed_are_kept_as_they_came() {
    for way in [&[][..], &["--one-by-one"]] {
        let folder = Folder::new();
        folder.write(
            "a.jsonl",
            "\u{feff}{\"slug\": \"a\"}\r\n\n{\"slug\":\"b\",\"name\":\"B\"}\n",
        );
        folder.write("b.jsonl", b"{\"slug\":\"\xff\"}\n {\"slug\":4}");
        folder.write("r.jsonl", "of an earlier run\n");
        let files = ["--rejected", "r.jsonl", "a.jsonl", "b.jsonl"];
        let run = folder.run(&[way, &files].concat()).status(1);
        assert_eq!(run.stderr().lines().count(), 3, "{}", run.stderr());
        let rejected = fs::read(folder.path("r.jsonl")).unwrap();
        assert_eq!(
            rejected,
            b"{\"slug\": \"a\"}\r\n{\"slug\":\"\xff\"}\n {\"slug\":4}\n"
        );

        // They are mended, and come again: the file that is read is not overwritten.
        folder.write("r.jsonl", "{\"slug\":\"a\",\"name\":\"A\"}\n");
        let same = folder.run(&[way, &["--rejected", "./r.jsonl", "r.jsonl"]].concat());
        assert!(same.stderr().contains("--rejected"), "{}", same.stderr());
        same.status(2);
        folder.run(&[way, &["r.jsonl"]].concat()).status(0);
        assert_eq!(folder.rows().len(), 2);
    }
    // Where it cannot be written nothing is imported.
    let folder = Folder::new();
    folder.run(&["--rejected", "no/r.jsonl"]).status(2);
    assert_eq!(folder.rows().len(), 0);
}

#[test]
fn standard_input_is_a_file() {
    let folder = Folder::new();
    let run = folder.run_with(&["--json", "-"], "{\"slug\":\"a\",\"name\":\"A\"}\n{}\n");
    let run = run.status(1);
    assert_eq!(run.stderr(), "-:2: missing field `slug`\n");
    assert_eq!(run.counts(), [[2, 1, 0, 0, 1]]);
    assert_eq!(run.objects()[0]["file"], "-");
    folder.run_with(&["-", "-"], "").status(2);
}

#[test]
fn a_file_that_is_no_json_lines_is_told_once() {
    let folder = Folder::new();
    folder.write("a.jsonl", lines(&[("1", "a")]));
    folder.write("table.csv", "slug,name\n".repeat(1000));
    folder.write(
        "array.json",
        "[\n".to_owned() + &"{\"slug\":\"a\",\"name\":\"A\"},\n".repeat(1000) + "]",
    );
    for name in ["table.csv", "array.json"] {
        let run = folder.run(&["a.jsonl", name]).status(2);
        let told = format!(
            "taxonomy-import: {name} is no JSON Lines: none of its first lines is a JSON object\n"
        );
        assert_eq!(run.stderr(), told);
        assert!(!folder.path("taxonomy.db").exists());
    }
    // Some bad lines at the beginning do not make it one.
    folder.write("b.jsonl", "secret\n".repeat(99) + &lines(&[("1", "a")]));
    let run = folder.run(&["--json", "b.jsonl"]).status(1);
    assert_eq!(run.counts(), [[100, 1, 0, 0, 99]]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = Folder::new();
    folder.write("a.jsonl", lines(&[("1", "a")]));
    folder.run(&["a.jsonl"]).status(0);
    for way in [&["--dry-run"][..], &["--json"], &[]] {
        let program = assert_cmd::cargo::cargo_bin!("taxonomy-import");
        let mut program = std::process::Command::new(program);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let program = program.current_dir(&folder.0).args(way).arg("a.jsonl");
        let program = program.stdout(writer);
        let run = Run(program.output().unwrap()).status(0);
        assert_eq!(run.stderr(), "");
    }
}

/// The table as it was made before there were rules.
#[test]
fn an_existing_table_goes_on_as_it_is() {
    let folder = Folder::new();
    folder.write("a.jsonl", version("a", "A", "2026-01-01T00:00:00Z"));
    folder.write("b.jsonl", version("a", "B", "2025-01-01T00:00:00Z"));
    folder.run(&["a.jsonl"]).status(0);
    for drop in [
        "ALTER TABLE taxonomy DROP COLUMN source_updated_at",
        "ALTER TABLE taxonomy DROP COLUMN locked",
        "ALTER TABLE taxonomy DROP COLUMN deleted_at",
    ] {
        folder.execute(drop);
    }
    for option in [
        &["--newer"][..],
        &["--protect-locked"],
        &["--missing", "mark"],
        &["--on-deleted", "revive"],
    ] {
        let run = folder.run(&[option, &["b.jsonl"]].concat()).status(2);
        for words in [option[0], "`deleted_at`"] {
            assert!(run.stderr().contains(words), "{}", run.stderr());
        }
    }
    let run = folder.run(&["--json", "--dry-run", "b.jsonl"]).status(0);
    assert_eq!(count(&run, "updated"), 1);
    let run = folder.run(&["--json", "b.jsonl"]).status(0);
    assert_eq!(count(&run, "updated"), 1);
    let columns = "SELECT NULL, name, type, NULL, NULL FROM pragma_table_info('taxonomy')";
    assert_eq!(read(&folder.path("taxonomy.db"), columns).len(), 8);
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_the_chunk_and_a_second_run_goes_on() {
    const RECORDS: u64 = 5_000;
    for way in [&["--chunk-size", "1"][..], &["--one-by-one"]] {
        let folder = Folder::new();
        let all: String = (0..RECORDS)
            .map(|n| version(&format!("s{n}"), "N", "2026-01-01T00:00:00Z"))
            .collect();
        folder.write("a.jsonl", all);
        let mut program =
            std::process::Command::new(assert_cmd::cargo::cargo_bin!("taxonomy-import"));
        let program = program
            .current_dir(&folder.0)
            .args([way, &["--json", "a.jsonl"]].concat())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The table alone is less.
        let database = folder.path("taxonomy.db");
        while fs::metadata(&database).map_or(0, |file| file.len()) < 40_000 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let pid = program.id().to_string();
        let told = std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status();
        assert!(told.unwrap().success());

        let run = Run(program.wait_with_output().unwrap()).status(130);
        assert_eq!(
            run.stderr(),
            "taxonomy-import: stopped by Ctrl-C at a.jsonl: what is counted is stored, and a second run goes on from there\n"
        );
        let created = count(&run, "created");
        assert!(0 < created && created < RECORDS, "{created}");
        assert_eq!(folder.rows().len() as u64, created);

        let run = folder.run(&["--json", "a.jsonl"]).status(0);
        assert_eq!(run.counts(), [[RECORDS, RECORDS - created, 0, created, 0]]);
    }
}
