//! The importer, as a user runs it.

use std::process::Command;
use std::sync::LazyLock;

use crate::Db;

tests![three_versions_then_the_last_again];

/// Built once: this package cannot name another one's program.
static PROGRAM: LazyLock<escargot::CargoRun> = LazyLock::new(|| {
    let build = escargot::CargoBuild::new()
        .package("taxonomy-import")
        .bin("taxonomy-import")
        .current_target();
    build
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .run()
        .expect("the importer builds")
});

/// The counts of each file: created, updated, unchanged, failed.
async fn imported(db: &Db, arguments: &'static [&'static str]) -> Vec<[u64; 4]> {
    let url = db.url();
    let output = tokio::task::spawn_blocking(move || {
        let mut command: Command = PROGRAM.command();
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
        assert_eq!(counts.iter().sum::<u64>(), count("records"));
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
