//! Three versions of a public data set, imported in turn.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::{LockedUpsert, Outcome};

use crate::Db;

tests![three_versions_in_turn, three_versions_set_by_set];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
struct Emoji {
    id: i64,
    #[upsert(trim)]
    remote_id: Option<String>,
    #[upsert(trim)]
    slug: String,
    name: String,
    description: Option<String>,
    parent: Option<String>,
    #[upsert(touch)]
    updated_at: DateTime<Utc>,
}

fn version(name: &str) -> Vec<NewEmoji> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/taxonomy-import/data");
    let text = std::fs::read_to_string(folder.join(name)).expect("the data");
    let record = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |member: &str| line[member].as_str().map(str::to_owned);
        NewEmoji {
            remote_id: text("remote_id"),
            slug: text("slug").expect("a slug"),
            name: text("name").expect("a name"),
            description: text("description"),
            parent: text("parent"),
        }
    };
    text.lines().map(record).collect()
}

/// What the table should hold, by what the words mean: the rows by id.
#[derive(Default)]
struct Expected(BTreeMap<i64, NewEmoji>);

impl Expected {
    /// `created`, `updated` or `unchanged`.
    fn upsert(&mut self, id: i64, new: NewEmoji) -> &'static str {
        let by_remote_id = self
            .0
            .iter()
            .find(|(_, row)| row.remote_id.is_some() && row.remote_id == new.remote_id);
        let found = by_remote_id.or_else(|| self.0.iter().find(|(_, row)| row.slug == new.slug));
        let outcome = match found {
            None => "created",
            Some((&found, row)) => {
                assert_eq!(found, id);
                if *row == new { "unchanged" } else { "updated" }
            }
        };
        self.0.insert(id, new);
        outcome
    }
}

async fn create_table(db: &Db) {
    db.run(
        "CREATE TABLE emoji (id {id}, remote_id {text} UNIQUE, slug {text} NOT NULL UNIQUE, name {text} NOT NULL, \
         description {long}, parent {text}, updated_at {now})",
    )
    .await;
}

async fn three_versions_in_turn(db: Db) {
    create_table(&db).await;
    let mut expected = Expected::default();
    for (file, counts) in [
        ("emoji-2.4.4.jsonl", [1_300, 0, 0]),
        ("emoji-4.1.0.jsonl", [268, 1_078, 222]),
        ("emoji-7.0.2.jsonl", [249, 592, 976]),
        ("emoji-7.0.2.jsonl", [0, 0, 1_817]),
    ] {
        let mut counted = [0; 3];
        for new in version(file) {
            let done = Emoji::upsert(new.clone())
                .run(&db.pool)
                .await
                .expect("an upsert");
            let (place, outcome) = match done.outcome {
                Outcome::Created => (0, "created"),
                Outcome::Updated { .. } => (1, "updated"),
                Outcome::Unchanged { .. } => (2, "unchanged"),
                other => panic!("{other:?}"),
            };
            counted[place] += 1;
            assert_eq!(expected.upsert(done.row.id, new), outcome);
        }
        assert_eq!(counted, counts, "{file}");
    }
    for (id, new) in &expected.0 {
        let stored = Emoji::upsert(new.clone())
            .updating(EmojiChanges::new())
            .run(&db.pool)
            .await
            .expect("a row")
            .row;
        let Emoji {
            remote_id,
            slug,
            name,
            description,
            parent,
            ..
        } = stored;
        assert_eq!(
            (
                stored.id,
                NewEmoji {
                    remote_id,
                    slug,
                    name,
                    description,
                    parent
                }
            ),
            (*id, new.clone())
        );
    }
    assert_eq!(db.number("SELECT count(*) FROM emoji").await, 1_817);
}

/// The same, but for the keys: nobody's row becomes another's.
async fn three_versions_set_by_set(db: Db) {
    create_table(&db).await;
    let mut ids: BTreeMap<String, i64> = BTreeMap::new();
    for (file, counts) in [
        ("emoji-2.4.4.jsonl", [1_300, 0, 0]),
        ("emoji-4.1.0.jsonl", [268, 1_078, 222]),
        ("emoji-7.0.2.jsonl", [249, 592, 976]),
        ("emoji-7.0.2.jsonl", [0, 0, 1_817]),
    ] {
        let records = version(file);
        let mut stored = BTreeMap::new();
        let import = Emoji::import(records.clone())
            .chunk_size(100)
            .each(|index, row, _| {
                stored.insert(index, row.clone());
            });
        let report = import.run(&db.pool).await.expect("an import");
        let counted = [report.created, report.updated, report.unchanged];
        assert_eq!((counted, report.failed.len()), (counts, 0), "{file}");
        for (new, row) in records.iter().zip(stored.values()) {
            let written = (&row.remote_id, &row.slug, &row.name, &row.parent);
            assert_eq!(written, (&new.remote_id, &new.slug, &new.name, &new.parent));
            let remote_id = row.remote_id.clone().expect("each has one");
            let id = ids.entry(remote_id).or_insert(row.id);
            assert_eq!(*id, row.id);
        }
    }
    assert_eq!(db.number("SELECT count(*) FROM emoji").await, 1_817);
}
