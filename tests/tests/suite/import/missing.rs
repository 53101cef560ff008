//! Rows that the import does not have.

use upsert_runtime::{Error, LockedUpsert, Missing, Report};

use super::super::models::{NewTaxonomy, Taxonomy, numbered, record, with_rows};
use super::super::races::until_one_waits;
use crate::Db;

tests![
    they_stay_unless_asked,
    they_are_deleted_in_the_scope_only,
    too_many_are_refused,
    an_incomplete_import_deletes_nothing,
    a_failed_record_keeps_them,
    one_that_is_referenced_stays,
    one_that_leaves_the_scope_meanwhile_stays on ["postgres", "mysql"],
    one_that_gets_another_key_meanwhile_stays on ["postgres", "mysql"],
    one_that_changes_beside_one_that_is_referenced_stays on ["postgres", "mysql"],
    one_that_leaves_the_scope_meanwhile_keeps_its_key on ["postgres", "mysql"],
    one_that_was_not_missing_at_the_start_keeps_its_key on ["postgres", "mysql"],
    one_whose_record_finds_another_row_keeps_its_key on ["postgres", "mysql"],
    one_gives_its_key_away,
    one_that_is_referenced_keeps_its_key,
];

async fn slugs(db: &Db) -> Vec<String> {
    db.texts("SELECT slug FROM taxonomy ORDER BY id").await
}

async fn they_stay_unless_asked(db: Db) {
    with_rows(&db, (0..4).map(numbered)).await;
    let report = Taxonomy::import((0..2).map(numbered)).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!(
        (report.missing, report.deleted, report.unchanged),
        (0, 0, 2)
    );
    assert_eq!(slugs(&db).await.len(), 4);
}

async fn they_are_deleted_in_the_scope_only(db: Db) {
    let mut rows: Vec<_> = (0..4).map(numbered).collect();
    rows[3].source = "ours".into();
    // Without the first key nobody knows whose it is.
    rows.push(record(None, "s4"));
    with_rows(&db, rows).await;
    let import = || {
        Taxonomy::import((0..2).map(numbered))
            .missing(Missing::Delete)
            .max_share(0.5)
            .scope(|row| row.source == "remote")
            .chunk_size(1)
            .changes(true)
    };
    let dry = import()
        .dry_run(true)
        .run(&db.pool)
        .await
        .expect("a dry run");
    assert_eq!((dry.missing, dry.deleted), (1, 1));
    assert_eq!(slugs(&db).await.len(), 5);
    let report = import().run(&db.pool).await.expect("an import");
    assert_eq!((report.missing, report.deleted), (1, 1));
    let [change] = &report.changes[..] else {
        panic!("{:?}", report.changes);
    };
    assert_eq!(change.before.as_ref().map(|row| &*row.slug), Some("s2"));
    assert!(change.after.is_none() && change.matched_by.is_none());
    assert_eq!(slugs(&db).await, ["s0", "s1", "s3", "s4"]);
}

async fn too_many_are_refused(db: Db) {
    with_rows(&db, (0..20).map(numbered)).await;
    let import = |records: Vec<NewTaxonomy>| Taxonomy::import(records).missing(Missing::Delete);
    let changed = |n| numbered(n).named("changed");
    for (records, missing) in [
        (Vec::new(), 20),
        ((0..17).map(changed).collect::<Vec<_>>(), 3),
    ] {
        let error = import(records.clone()).run(&db.pool).await.unwrap_err();
        assert!(
            matches!(error, Error::Refused { missing: n, candidates: 20, .. } if n == missing),
            "{error}"
        );
        let share = import(records).max_share(f64::NAN).run(&db.pool).await;
        assert!(matches!(share, Err(Error::Refused { .. })));
    }
    let unchanged = "SELECT count(*) FROM taxonomy WHERE name <> 'changed'";
    assert_eq!(db.number(unchanged).await, 20);
    let report = import((0..18).map(numbered).collect()).run(&db.pool).await;
    assert_eq!(report.expect("an import").deleted, 2);
}

async fn an_incomplete_import_deletes_nothing(db: Db) {
    with_rows(&db, (0..10).map(numbered)).await;
    let mut records: Vec<_> = (0..9).map(numbered).collect();
    records.push(record(None, " "));
    let import = Taxonomy::import(records).missing(Missing::Delete);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!(
        (report.missing, report.deleted, report.failed.len()),
        (1, 0, 1)
    );
    assert!(matches!(report.failed[0].error, Error::NoUsableKey { .. }));
    assert_eq!(slugs(&db).await.len(), 10);
}

async fn a_failed_record_keeps_them(db: Db) {
    with_rows(&db, (0..10).map(numbered)).await;
    let mut records: Vec<_> = (0..9).map(numbered).collect();
    // The row of nobody keeps its slug.
    db.run("INSERT INTO taxonomy (slug, name, uses, source) VALUES ('taken', 'x', 0, 'x')")
        .await;
    records[0].slug = "taken".into();
    let import = Taxonomy::import(records).missing(Missing::Delete);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!(
        (report.missing, report.deleted, report.failed.len()),
        (1, 0, 1)
    );
    assert!(matches!(report.failed[0].error, Error::Conflict { .. }));
}

/// A table whose rows keep those that they refer to from being deleted.
const CHILD: &str = "CREATE TABLE child (taxonomy_id bigint NOT NULL, FOREIGN KEY (taxonomy_id) REFERENCES taxonomy (id))";

async fn one_that_is_referenced_stays(db: Db) {
    let rows = with_rows(&db, (0..40).map(numbered)).await;
    db.run(CHILD).await;
    db.run(&format!("INSERT INTO child VALUES ({})", rows[38].id))
        .await;
    let import = Taxonomy::import((0..37).map(numbered)).missing(Missing::Delete);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!(
        (report.missing, report.deleted, report.failed.len()),
        (3, 2, 0)
    );
    assert_eq!(slugs(&db).await.last().map(String::as_str), Some("s38"));
}

/// An import that lacks the last of twenty rows, which another transaction changes before the import can lock it.
async fn deleted_after(db: &Db, change: &'static str) -> u64 {
    let report = after(db, change, (0..19).map(numbered).collect()).await;
    assert_eq!(report.missing, 1);
    report.deleted
}

async fn after(db: &Db, change: &'static str, records: Vec<NewTaxonomy>) -> Report<Taxonomy> {
    with_rows(db, (0..20).map(numbered)).await;
    changed_meanwhile(db, change, records, 0.1).await
}

async fn changed_meanwhile(
    db: &Db,
    change: &'static str,
    records: Vec<NewTaxonomy>,
    max_share: f64,
) -> Report<Taxonomy> {
    let mut holder = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    sqlx::raw_sql(change)
        .execute(&mut *holder)
        .await
        .expect("a change");
    let pool = db.pool.clone();
    let waiter = tokio::spawn(async move {
        let import = Taxonomy::import(records)
            .missing(Missing::Delete)
            .max_share(max_share);
        import.scope(|row| row.source == "remote").run(&pool).await
    });
    until_one_waits(db).await;
    holder.commit().await.expect("a commit");
    waiter.await.expect("no panic").expect("an import")
}

/// The row that changes is deleted by the statement that the other one has refused, and is looked at once more then.
async fn one_that_changes_beside_one_that_is_referenced_stays(db: Db) {
    let rows = with_rows(&db, (0..20).map(numbered)).await;
    db.run(CHILD).await;
    db.run(&format!("INSERT INTO child VALUES ({})", rows[18].id))
        .await;
    let change = "UPDATE taxonomy SET remote_id = 'other' WHERE slug = 's19'";
    let records = (0..18).map(numbered).collect();
    let report = changed_meanwhile(&db, change, records, 0.1).await;
    assert_eq!((report.missing, report.deleted), (2, 0), "{report}");
    assert_eq!(slugs(&db).await.len(), 20);
}

async fn one_that_was_not_missing_at_the_start_keeps_its_key(db: Db) {
    with_rows(&db, (0..2).map(numbered)).await;
    // The second takes the slug of the first, which gets another one, and is another thing when the import comes to it.
    let mut records: Vec<_> = (0..2).map(numbered).collect();
    records[0].slug = "new".into();
    records[1].slug = "s0".into();
    let change = "UPDATE taxonomy SET remote_id = 'other' WHERE slug = 's0'";
    let report = changed_meanwhile(&db, change, records, 0.0).await;
    assert_eq!(
        (report.missing, report.deleted, report.failed.len()),
        (0, 0, 1),
        "{report}"
    );
    assert_eq!(slugs(&db).await, ["s0", "s1", "new"]);
}

async fn one_that_leaves_the_scope_meanwhile_keeps_its_key(db: Db) {
    let change = "UPDATE taxonomy SET source = 'ours' WHERE slug = 's19'";
    let mut records: Vec<_> = (0..19).map(numbered).collect();
    records[3].slug = "s19".into();
    let report = after(&db, change, records).await;
    let counts = (report.missing, report.deleted, report.failed.len());
    assert_eq!(counts, (1, 0, 1), "{report}");
    assert!(matches!(report.failed[0].error, Error::Conflict { .. }));
    assert_eq!(slugs(&db).await.len(), 20);
}

async fn one_that_leaves_the_scope_meanwhile_stays(db: Db) {
    let change = "UPDATE taxonomy SET source = 'ours' WHERE slug = 's19'";
    assert_eq!(deleted_after(&db, change).await, 0);
    assert_eq!(slugs(&db).await.len(), 20);
}

async fn one_that_gets_another_key_meanwhile_stays(db: Db) {
    let change = "UPDATE taxonomy SET remote_id = 'other' WHERE slug = 's19'";
    assert_eq!(deleted_after(&db, change).await, 0);
    assert_eq!(slugs(&db).await.len(), 20);
}

/// The record was to take the row over, until another row got its first key.
async fn one_whose_record_finds_another_row_keeps_its_key(db: Db) {
    let mut rows: Vec<_> = (0..2).map(numbered).collect();
    rows[1].source = "ours".into();
    with_rows(&db, rows).await;
    let records = vec![NewTaxonomy {
        slug: "s0".into(),
        ..numbered(9)
    }];
    let change = "UPDATE taxonomy SET remote_id = 'r9' WHERE slug = 's1'; \
                  UPDATE taxonomy SET uses = 1 WHERE slug = 's0'";
    let report = changed_meanwhile(&db, change, records, 0.0).await;
    let counts = (report.missing, report.deleted, report.failed.len());
    assert_eq!(counts, (0, 0, 1), "{report}");
    assert_eq!(slugs(&db).await, ["s0", "s1"]);
}

async fn one_gives_its_key_away(db: Db) {
    with_rows(&db, (0..20).map(numbered)).await;
    // Two things were merged under the name of the one that goes.
    let mut records: Vec<_> = (0..19).map(numbered).collect();
    records[3].slug = "s19".into();
    let import = Taxonomy::import(records)
        .missing(Missing::Delete)
        .chunk_size(4);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!(
        (report.updated, report.deleted, report.failed.len()),
        (1, 1, 0),
        "{report}"
    );
    let slug = db
        .texts("SELECT slug FROM taxonomy WHERE remote_id = 'r3'")
        .await;
    assert_eq!(slug, ["s19"]);
}

async fn one_that_is_referenced_keeps_its_key(db: Db) {
    let rows = with_rows(&db, (0..20).map(numbered)).await;
    db.run(CHILD).await;
    db.run(&format!("INSERT INTO child VALUES ({})", rows[19].id))
        .await;
    let mut records: Vec<_> = (0..19).map(numbered).collect();
    records[3].slug = "s19".into();
    records[5].name = "changed".into();
    let import = Taxonomy::import(records).missing(Missing::Delete);
    let report = import.run(&db.pool).await.expect("an import");
    assert_eq!(
        (report.updated, report.deleted, report.failed.len()),
        (1, 0, 1),
        "{report}"
    );
    assert_eq!(report.failed[0].index, 3);
    assert!(matches!(report.failed[0].error, Error::Conflict { .. }));
}
