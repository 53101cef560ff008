//! Creating and updating data that come as JSON.

use serde::{Deserialize, Serialize};
use upsert_runtime::{LockedUpsert, Outcome};

use super::{Indexes, Way, run, with_table};
use crate::Db;

tests![a_patch, names_and_unknown_fields, back_to_json];

/// With derives of its own beside, whose attributes are of another use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, LockedUpsert)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[lookup(remote_id)]
#[upsert(
    table = "article",
    new(
        derive(serde::Serialize, serde::Deserialize),
        serde(rename_all = "camelCase", deny_unknown_fields)
    ),
    changes(derive(serde::Serialize, serde::Deserialize))
)]
struct Sent {
    id: i64,
    #[upsert(trim)]
    remote_id: Option<String>,
    #[serde(alias = "path")]
    slug: String,
    #[serde(rename = "heading", default)]
    title: String,
    summary: Option<String>,
}

/// It says for itself how its members are called.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
#[upsert(
    table = "article",
    new(derive(serde::Deserialize), serde(rename_all = "camelCase")),
    changes(derive(serde::Deserialize), serde(deny_unknown_fields))
)]
struct Strict {
    id: i64,
    slug: String,
    remote_id: Option<String>,
}

fn changes(json: &str) -> SentChanges {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

async fn a_patch(db: Db) {
    with_table(&db, Indexes::Full).await;
    let new = r#"{"remoteId": " r1 ", "path": "a", "heading": "A", "summary": "long"}"#;
    let new = || serde_json::from_str::<NewSent>(new).expect("creating data");
    let done = run(&db, Way::Run, Sent::upsert(new())).await;
    let row = done.expect("a row").row;
    assert_eq!(row.remote_id.as_deref(), Some("r1"));
    assert_eq!((&*row.slug, &*row.title), ("a", "A"));
    for (patch, changed, summary) in [
        // Absent keeps, null stores NULL, a value is a value.
        ("{}", None, Some("long")),
        (r#"{"heading": "B"}"#, Some("title"), Some("long")),
        (r#"{"summary": null}"#, Some("summary"), None),
        (r#"{"summary": "short"}"#, Some("summary"), Some("short")),
    ] {
        let patch = changes(patch);
        let done = Sent::modify().by_remote_id(&db.pool, "r1", |_| patch.clone());
        let done = done.await.expect("an update").expect("a row");
        assert_eq!(done.row.summary.as_deref(), summary);
        let outcome = changed.map_or(
            Outcome::Unchanged {
                matched_by: "remote_id",
            },
            |changed| Outcome::Updated {
                matched_by: "remote_id",
                changed: vec![changed],
            },
        );
        assert_eq!(done.outcome, outcome);
    }
    assert_eq!(
        serde_json::to_value(row).unwrap()["REMOTE_ID"],
        "r1",
        "the model's own names"
    );
}

async fn names_and_unknown_fields(_: Db) {
    // Inherited: else `remoteId` would be no change at all, without a word.
    let patch = changes(r#"{"remoteId": "r2", "path": "b"}"#);
    let same = SentChanges::new().remote_id(Some("r2".into())).slug("b");
    assert_eq!(patch, same);
    // An absent member is no write, whatever `default` says of the creating data.
    assert_eq!(changes("{}"), SentChanges::new());
    let unknown = r#"{"remoteId": "r1", "slug": "a", "colour": 1}"#;
    serde_json::from_str::<NewSent>(unknown).expect_err("refused");
    let named_otherwise = r#"{"remoteId": "r1"}"#;
    serde_json::from_str::<StrictChanges>(named_otherwise).expect_err("refused");
    let own = serde_json::from_str::<StrictChanges>(r#"{"remote_id": null}"#);
    assert_eq!(own.unwrap(), StrictChanges::new().remote_id(None));
    let new = serde_json::from_str::<NewStrict>(r#"{"slug": "a", "remoteId": null}"#);
    assert_eq!(new.unwrap().remote_id, None);
}

async fn back_to_json(_: Db) {
    let changes = SentChanges::new().title("A").summary(None);
    let json = serde_json::to_value(&changes).unwrap();
    assert_eq!(json, serde_json::json!({"heading": "A", "summary": null}));
    assert_eq!(
        serde_json::from_value::<SentChanges>(json).unwrap(),
        changes
    );
}
