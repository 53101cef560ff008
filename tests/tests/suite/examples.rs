//! The examples, as a user runs them.

use std::process::Command;
use std::sync::LazyLock;

use escargot::{CargoBuild, CargoRun};

use crate::Db;

tests![three_versions_then_the_last_again, four_callers_and_one_row];

/// Built once: this package cannot name another one's program.
static IMPORTER: LazyLock<CargoRun> = LazyLock::new(|| built("taxonomy-import"));

fn built(example: &str) -> CargoRun {
    let build = CargoBuild::new()
        .package(example)
        .bin(example)
        .current_target();
    build
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .run()
        .expect("the example builds")
}

/// The counts of each file: created, updated, unchanged, failed.
async fn imported(db: &Db, arguments: &'static [&'static str]) -> Vec<[u64; 4]> {
    let url = db.url();
    let output = tokio::task::spawn_blocking(move || {
        let mut command: Command = IMPORTER.command();
        command
            .args(["--json", "--database-url", &url])
            .args(arguments)
            .output()
    });
    let output = output.await.expect("no panic").expect("a run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("text");
    let counts = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let count = |member: &str| line[member].as_u64().expect("a count");
        let counts = ["created", "updated", "unchanged", "failed"].map(count);
        assert_eq!(
            counts.iter().sum::<u64>() + count("superseded"),
            count("records")
        );
        counts
    };
    lines.lines().map(counts).collect()
}

async fn three_versions_then_the_last_again(db: Db) {
    const LAST: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/taxonomy-import/data/emoji-7.0.2.jsonl"
    );
    let three = [[1_300, 0, 0, 0], [268, 1_078, 222, 0], [249, 592, 976, 0]];
    assert_eq!(imported(&db, &[]).await, three);
    let rows = db.texts("SELECT slug FROM taxonomy ORDER BY slug").await;
    assert_eq!(
        imported(&db, &["--dry-run", LAST]).await,
        [[0, 0, 1_817, 0]]
    );
    assert_eq!(imported(&db, &[LAST]).await, [[0, 0, 1_817, 0]]);
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy ORDER BY slug").await,
        rows
    );
    assert_eq!(rows.len(), 1_817);
}

async fn four_callers_and_one_row(db: Db) {
    let url = db.url();
    let output = tokio::task::spawn_blocking(move || {
        let mut command: Command = built("lock-demo").command();
        command.args(["--database-url", &url]).output()
    });
    let output = output.await.expect("no panic").expect("a run");
    let (told, failed) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{told} {failed}");
    let story = [
        "Error::Locked",
        "Error::LockTimeout",
        "has set uses = 1",
        "has the row, uses = 1",
        "has set uses = 2",
        "uses: 2 }: nothing is lost",
    ];
    let mut rest = &*told;
    for event in story {
        let (_, later) = rest
            .split_once(event)
            .unwrap_or_else(|| panic!("`{event}` is not next: {told}"));
        rest = later;
    }
}
