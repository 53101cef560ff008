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
                "records",
                "seconds",
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
    assert!(run.stderr().contains("taxonomy.db"), "{}", run.stderr());
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
    let run = folder.run(&["--missing", "delete", "c.jsonl"]).status(2);
    assert!(
        run.stderr().contains("refused to delete 5 of 20"),
        "{}",
        run.stderr()
    );
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
