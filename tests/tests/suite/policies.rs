//! Rows that may be read but not written, and records that may not be stored: row level security, and views that check.

use sqlx::{AssertSqlSafe, Pool};
use upsert_runtime::{Error, LockedUpsert, Missing, OnFailure, Operation, Outcome, Report};
use upsert_tests::Target;

use super::models::{
    NewTaxonomy, TAXONOMY, Taxonomy, TaxonomyChanges, Unclaimed, numbered, record, with_rows,
};
use crate::{Db, Sqlx};

tests![
    a_row_that_may_only_be_read on ["postgres"],
    a_row_that_may_only_be_read_by_its_first_key on ["postgres"],
    locks_of_rows_that_may_only_be_read on ["postgres"],
    a_record_that_may_not_be_stored on ["postgres"],
    a_guard_whose_row_leaves_the_policy on ["postgres"],
    a_row_that_may_not_be_deleted on ["postgres"],
    an_import_over_rows_that_may_only_be_read on ["postgres"],
    an_import_in_one_transaction on ["postgres"],
    a_component_with_a_row_that_may_only_be_read on ["postgres"],
    missing_rows_that_may_only_be_read on ["postgres"],
    a_missing_row_takes_none_along_that_may_only_be_read on ["postgres"],
    a_missing_grant_stops_an_import on ["postgres", "mysql"],
    a_trigger_that_lacks_a_grant_stops_an_import on ["postgres"],
    a_view_that_checks on ["postgres", "mysql"],
];

/// Whose rows may be written: those whose source is `remote`. Nothing may be called `bad`, and `keep` may not be deleted.
const POLICIES: &str = "ALTER TABLE taxonomy ENABLE ROW LEVEL SECURITY; \
     CREATE POLICY reading ON taxonomy FOR SELECT USING (true); \
     CREATE POLICY creating ON taxonomy FOR INSERT WITH CHECK (name <> 'bad'); \
     CREATE POLICY updating ON taxonomy FOR UPDATE USING (source = 'remote' AND uses < 100) WITH CHECK (name <> 'bad'); \
     CREATE POLICY deleting ON taxonomy FOR DELETE USING (name <> 'keep')";

/// A pool of a role that is no owner and may do everything with the table that its policies let it.
async fn restricted(db: &Db) -> Pool<Sqlx> {
    db.run(POLICIES).await;
    role(db, "SELECT, INSERT, UPDATE, DELETE").await
}

/// A pool of a role with these rights, named as the database, with which it goes.
async fn role(db: &Db, rights: &str) -> Pool<Sqlx> {
    const CONNECTIONS: usize = 4;
    let name = &db.name;
    db.run(&format!(
        "CREATE ROLE {name}; GRANT {rights} ON taxonomy TO {name}; ALTER DATABASE {name} SET role = '{name}'"
    ))
    .await;
    let pool = db.pool_of(u32::try_from(CONNECTIONS).unwrap()).await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(pool.acquire().await.expect("a connection"));
    }
    // The others are the owner's again.
    let reset = format!("SET ROLE NONE; ALTER DATABASE {name} RESET role");
    let first = connections.first_mut().expect("a connection");
    sqlx::raw_sql(AssertSqlSafe(format!("{reset}; SET ROLE {name}")))
        .execute(&mut **first)
        .await
        .expect("a setting");
    pool
}

/// A record of somebody else's.
fn foreign(n: u32) -> NewTaxonomy {
    NewTaxonomy {
        source: "ours".into(),
        ..numbered(n)
    }
}

fn is_not_permitted(error: &Error) -> bool {
    let is = matches!(error, Error::NotPermitted { .. });
    is && error.is_about_record() && !error.is_retryable()
}

fn failed(report: &Report<Taxonomy>) -> Vec<u64> {
    for failure in &report.failed {
        assert!(is_not_permitted(&failure.error), "{failure}");
    }
    report.failed.iter().map(|failure| failure.index).collect()
}

async fn a_row_that_may_only_be_read(db: Db) {
    with_rows(&db, [numbered(0), foreign(1)]).await;
    let pool = restricted(&db).await;
    // Without a difference nothing is to be written, and nobody can tell that nothing was locked.
    let done = Taxonomy::upsert(foreign(1)).run(&pool).await;
    let matched_by = "remote_id";
    assert_eq!(
        done.expect("run").outcome,
        Outcome::Unchanged { matched_by }
    );
    let get = Taxonomy::upsert(foreign(1).named("other")).updating(TaxonomyChanges::new());
    let done = get.run(&pool).await.expect("get or create");
    assert_eq!(done.outcome, Outcome::Unchanged { matched_by });
    assert_eq!(done.row.name, "s1");
    let changed = foreign(1).named("changed");
    let error = Taxonomy::upsert(changed.clone()).run(&pool).await;
    let error = error.unwrap_err();
    assert!(is_not_permitted(&error), "{error}");
    let Error::NotPermitted { at, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(at.operation, Operation::LookUp { lookup: matched_by });
    assert!(!format!("{error} {error:?}").contains("changed"), "{error}");
    // In the caller's transaction the row is to stay locked. The transaction goes on.
    let mut ours = upsert_runtime::begin(&pool).await.expect("begun");
    let mut theirs = pool.begin().await.expect("begun");
    for new in [foreign(1), changed] {
        let error = Taxonomy::upsert(new.clone()).run_in(&mut ours).await;
        assert!(is_not_permitted(&error.unwrap_err()));
        let error = Taxonomy::upsert(new).run_in(&mut theirs).await;
        assert!(is_not_permitted(&error.unwrap_err()));
    }
    let done = Taxonomy::upsert(numbered(2)).run_in(&mut ours).await;
    assert_eq!(done.expect("a row").outcome, Outcome::Created);
    ours.commit().await.expect("a commit");
    let mut repeatable = pool.begin().await.expect("begun");
    sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(&mut *repeatable)
        .await
        .expect("a level");
    let error = Taxonomy::upsert(foreign(1)).run_in(&mut repeatable).await;
    assert!(is_not_permitted(&error.unwrap_err()));
    // Where nothing may be created, what is there is unchanged all the same.
    db.run("DROP POLICY creating ON taxonomy").await;
    let done = Taxonomy::upsert(foreign(1)).run(&pool).await;
    assert_eq!(
        done.expect("run").outcome,
        Outcome::Unchanged { matched_by }
    );
    let names = db.texts("SELECT name FROM taxonomy ORDER BY id").await;
    assert_eq!(names, ["s0", "s1", "s2"]);
}

/// A fallback finds another row, which is not the record's.
async fn a_row_that_may_only_be_read_by_its_first_key(db: Db) {
    with_rows(&db, [foreign(1), record(None, "s2")]).await;
    let pool = restricted(&db).await;
    let new = NewTaxonomy {
        slug: "s2".into(),
        ..numbered(1)
    };
    let changes = || TaxonomyChanges::new().name("stolen");
    let upsert = Taxonomy::upsert(new.clone()).updating(changes());
    let error = upsert.run(&pool).await.unwrap_err();
    assert!(is_not_permitted(&error), "{error}");
    let same = Taxonomy::upsert(new).updating(TaxonomyChanges::new());
    let done = same.run(&pool).await.expect("get or create");
    let matched_by = "remote_id";
    assert_eq!(done.outcome, Outcome::Unchanged { matched_by });
    let names = db.texts("SELECT name FROM taxonomy ORDER BY id").await;
    assert_eq!(names, ["s1", "s2"]);
}

async fn locks_of_rows_that_may_only_be_read(db: Db) {
    let rows = with_rows(&db, [numbered(0), foreign(1)]).await;
    let pool = restricted(&db).await;
    let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
    let id = rows[1].id;
    let error = Taxonomy::lock().by_id(&mut tx, id).await.unwrap_err();
    assert!(is_not_permitted(&error), "{error}");
    let error = Taxonomy::lock().by_slug(&mut tx, "s1").await.unwrap_err();
    assert!(is_not_permitted(&error), "{error}");
    let error = Taxonomy::lock().find(&mut tx, &foreign(1)).await;
    assert!(is_not_permitted(&error.unwrap_err()));
    let error = Taxonomy::lock().many_by_slug(&mut tx, ["s0", "s1"]).await;
    assert!(is_not_permitted(&error.unwrap_err()));
    // What is not there, is not there.
    let none = Taxonomy::lock().by_slug(&mut tx, "s2").await;
    assert!(none.expect("a look").is_none());
    let none = Taxonomy::lock().find(&mut tx, &numbered(2)).await;
    assert!(none.expect("a look").is_none());
    let row = Taxonomy::lock().by_slug(&mut tx, "s0").await;
    assert!(row.expect("a lock").is_some());
    tx.commit().await.expect("a commit");
    let change = |_: &Taxonomy| TaxonomyChanges::new().name("changed");
    let error = Taxonomy::modify().by_slug(&pool, "s1", change).await;
    assert!(is_not_permitted(&error.unwrap_err()));
    let done = Taxonomy::modify().by_slug(&pool, "s2", change).await;
    assert!(done.expect("a modify").is_none());
}

async fn a_record_that_may_not_be_stored(db: Db) {
    with_rows(&db, [numbered(0)]).await;
    let pool = restricted(&db).await;
    for n in [0, 1] {
        let error = Taxonomy::upsert(numbered(n).named("bad")).run(&pool).await;
        let error = error.unwrap_err();
        assert!(is_not_permitted(&error), "{error}");
        // The server names the table, or the policy.
        assert!(error.to_string().contains("taxonomy"), "{error}");
    }
    let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
    let row = Taxonomy::lock().by_slug(&mut tx, "s0").await;
    let mut row = row.expect("a lock").expect("a row");
    let error = row.update_name("bad").await.unwrap_err();
    assert!(is_not_permitted(&error), "{error}");
    assert!(row.update_name("good").await.expect("a write"));
    tx.commit().await.expect("a commit");
    let bad = |n: u32| n % 7 == 3;
    let records = (0..100).map(|n| numbered(n).named(if bad(n) { "bad" } else { "fine" }));
    for atomic in [false, true] {
        let import = Taxonomy::import(records.clone()).atomic(atomic);
        let report = import.run(&pool).await.expect("an import");
        let expected: Vec<u64> = (0..100).filter(|&n| bad(n)).map(u64::from).collect();
        assert_eq!(failed(&report), expected, "{report}");
        assert_eq!(report.records, 100);
    }
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 86);
}

/// What was written may be read again, though it could not be locked any more: the lock is there.
async fn a_guard_whose_row_leaves_the_policy(db: Db) {
    with_rows(&db, [numbered(0), numbered(1)]).await;
    let pool = restricted(&db).await;
    let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
    let row = Taxonomy::lock().by_slug(&mut tx, "s0").await;
    let mut row = row.expect("a lock").expect("a row");
    assert!(row.update_uses(100).await.expect("a write"));
    row.refresh().await.expect("the row");
    assert_eq!(row.uses, 100);
    tx.commit().await.expect("a commit");
    let mut told = Vec::new();
    let records = [NewTaxonomy {
        uses: 100,
        ..numbered(1)
    }];
    let import = Taxonomy::import(records).each(|index, row, _| told.push((index, row.uses)));
    let report = import.run(&pool).await.expect("an import");
    assert_eq!((report.updated, &told[..]), (1, &[(0, 100)][..]));
}

async fn a_row_that_may_not_be_deleted(db: Db) {
    with_rows(&db, [numbered(0).named("keep"), numbered(1)]).await;
    let pool = restricted(&db).await;
    let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
    let row = Taxonomy::lock().by_slug(&mut tx, "s0").await;
    let error = row.expect("a lock").expect("a row").delete().await;
    let error = error.unwrap_err();
    assert!(is_not_permitted(&error), "{error}");
    let row = Taxonomy::lock().by_slug(&mut tx, "s1").await;
    let row = row.expect("a lock").expect("a row");
    row.delete().await.expect("a deletion");
    tx.commit().await.expect("a commit");
    assert_eq!(db.texts("SELECT slug FROM taxonomy").await, ["s0"]);
}

async fn an_import_over_rows_that_may_only_be_read(db: Db) {
    let rows = (0..60).map(|n| if n % 3 == 0 { foreign(n) } else { numbered(n) });
    db.run(TAXONOMY).await;
    Taxonomy::import(rows).run(&db.pool).await.expect("rows");
    let pool = restricted(&db).await;
    // Of the rows that may only be read half are changed by their records.
    let changed = |n: u32| n % 2 == 1;
    let named = |n: u32| {
        numbered(n).named(&if changed(n) {
            "new".into()
        } else {
            format!("s{n}")
        })
    };
    let import = || Taxonomy::import((0..70).map(named)).chunk_size(25);
    let forbidden: Vec<u64> = (0..60).filter(|n| n % 6 == 3).collect();
    for dry_run in [true, false] {
        let report = import().dry_run(dry_run).run(&pool).await;
        let report = report.expect("an import");
        assert_eq!(failed(&report), forbidden, "{report}");
        let counts = (report.created, report.updated, report.unchanged);
        assert_eq!(counts, (10, 20, 30), "{report}");
        assert_eq!(report.records, 70);
    }
    let error = import().on_failure(OnFailure::Abort).run(&pool).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Aborted { .. }), "{error}");
}

/// All rows are to stay locked until it ends, so that none may be one that cannot be.
async fn an_import_in_one_transaction(db: Db) {
    with_rows(&db, [numbered(0), foreign(1), foreign(2)]).await;
    let pool = restricted(&db).await;
    let records = || {
        [
            numbered(0).named("new"),
            foreign(1),
            foreign(2).named("new"),
        ]
    };
    let report = Taxonomy::import(records()).atomic(true).run(&pool).await;
    let report = report.expect("an import");
    assert_eq!((failed(&report), report.updated), (vec![1, 2], 1));
    let mut tx = upsert_runtime::begin(&pool).await.expect("begun");
    let report = Taxonomy::import(records()).run_in(&mut tx).await;
    let report = report.expect("an import");
    assert_eq!((failed(&report), report.unchanged), (vec![1, 2], 1));
    tx.commit().await.expect("a commit");
}

async fn a_component_with_a_row_that_may_only_be_read(db: Db) {
    with_rows(&db, [numbered(0), foreign(1), numbered(2), numbered(3)]).await;
    let pool = restricted(&db).await;
    // 0 and 1 are to exchange their slugs, and so are 2 and 3.
    let exchanged = |n: u32| NewTaxonomy {
        slug: format!("s{}", n ^ 1),
        ..numbered(n)
    };
    for atomic in [true, false] {
        let import = Taxonomy::import((0..4).map(exchanged)).atomic(atomic);
        let report = import.run(&pool).await.expect("an import");
        let mut causes = report.failed.iter().map(|failure| &failure.error);
        // Who needs the key of a row that stays as it is cannot have it.
        assert!(
            matches!(causes.next(), Some(Error::Conflict { .. })),
            "{report}"
        );
        assert!(
            matches!(causes.next(), Some(Error::NotPermitted { .. })),
            "{report}"
        );
        assert_eq!((report.failed.len(), report.records), (2, 4));
        assert_eq!(report.updated + report.unchanged, 2, "{report}");
    }
    let slugs = db.texts("SELECT slug FROM taxonomy ORDER BY id").await;
    assert_eq!(slugs, ["s0", "s1", "s3", "s2"]);
}

async fn missing_rows_that_may_only_be_read(db: Db) {
    let rows = (0..20).map(|n| match n {
        17 => foreign(n),
        18 => numbered(n).named("keep"),
        _ => numbered(n),
    });
    with_rows(&db, rows).await;
    let pool = restricted(&db).await;
    let import = |records: Vec<NewTaxonomy>| {
        let import = Taxonomy::import(records).missing(Missing::Delete);
        import.max_share(0.5).run(&pool)
    };
    // A record that needs a key of a row that stays cannot have it.
    let mut records: Vec<_> = (0..17).map(numbered).collect();
    records[3].slug = "s17".into();
    records[4].slug = "s18".into();
    let report = import(records).await.expect("an import");
    let causes = report.failed.iter().map(|failure| &failure.error);
    let conflicts = causes.filter(|error| matches!(error, Error::Conflict { .. }));
    assert_eq!((report.failed.len(), conflicts.count()), (2, 2), "{report}");
    let report = import((0..17).map(numbered).collect()).await;
    let report = report.expect("an import");
    assert_eq!((report.missing, report.deleted), (3, 1), "{report}");
    let left = "SELECT slug FROM taxonomy WHERE id > 17 ORDER BY id";
    assert_eq!(db.texts(left).await, ["s17", "s18"]);
}

/// A deletion that cascades asks no policy.
async fn a_missing_row_takes_none_along_that_may_only_be_read(db: Db) {
    with_rows(
        &db,
        (0..20).map(|n| if n == 3 { foreign(n) } else { numbered(n) }),
    )
    .await;
    db.run("ALTER TABLE taxonomy ADD parent_id bigint REFERENCES taxonomy (id) ON DELETE CASCADE")
        .await;
    db.run("UPDATE taxonomy SET parent_id = (SELECT id FROM taxonomy WHERE slug = 's19') WHERE slug = 's3'")
        .await;
    let pool = restricted(&db).await;
    let import = Taxonomy::import((0..19).map(numbered)).missing(Missing::Delete);
    let report = import.run(&pool).await.expect("an import");
    assert_eq!((report.missing, report.deleted), (1, 0), "{report}");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 20);
}

async fn a_missing_grant_stops_an_import(db: Db) {
    with_rows(&db, [numbered(0)]).await;
    let pool = if Sqlx::TARGET == "postgres" {
        role(&db, "SELECT, INSERT, UPDATE (name, slug)").await
    } else {
        db.pool_with_rights(&[
            "SELECT, INSERT ON taxonomy",
            "UPDATE (name, slug) ON taxonomy",
        ])
        .await
    };
    let records = [
        numbered(1),
        NewTaxonomy {
            uses: 1,
            ..numbered(0)
        },
    ];
    let error = Taxonomy::import(records).run(&pool).await.unwrap_err();
    let Error::Stopped { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(**source, Error::Database { .. }), "{error}");
    assert!(!error.is_retryable() && !source.is_about_record());
    pool.close().await;
}

/// The code is the same, and so is that of what a trigger raises.
async fn a_trigger_that_lacks_a_grant_stops_an_import(db: Db) {
    with_rows(&db, [numbered(0)]).await;
    let pool = restricted(&db).await;
    db.run(
        "CREATE TABLE log (name text); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF new.name = 'bad' THEN RAISE insufficient_privilege; END IF; \
         IF new.name = 'note' THEN INSERT INTO log VALUES (new.name); END IF; RETURN new; END $$; \
         CREATE TRIGGER note BEFORE UPDATE ON taxonomy FOR EACH ROW EXECUTE FUNCTION note()",
    )
    .await;
    let import = |name| Taxonomy::import([numbered(0).named(name)]).run(&pool);
    let report = import("bad").await.expect("an import");
    assert_eq!(failed(&report), [0]);
    let error = import("note").await.unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
}

async fn a_view_that_checks(db: Db) {
    db.run(&TAXONOMY.replace("TABLE taxonomy", "TABLE everything"))
        .await;
    db.run(
        "CREATE VIEW taxonomy AS SELECT * FROM everything WHERE name <> 'bad' WITH CHECK OPTION",
    )
    .await;
    let upsert = |n, name| Taxonomy::upsert(numbered(n).named(name)).run(&db.pool);
    assert_eq!(
        upsert(0, "good").await.expect("a row").outcome,
        Outcome::Created
    );
    for n in [0, 1] {
        let error = upsert(n, "bad").await.unwrap_err();
        assert!(is_not_permitted(&error), "{error}");
        assert!(error.to_string().contains("taxonomy"), "{error}");
    }
    let records = (0..20).map(|n| numbered(n).named(if n == 7 { "bad" } else { "good" }));
    let report = Taxonomy::import(records).run(&db.pool).await;
    let report = report.expect("an import");
    assert_eq!((failed(&report), report.records), (vec![7], 20), "{report}");
    // A model without the columns that the database fills by itself.
    let error = Unclaimed::upsert(super::models::NewUnclaimed {
        remote_id: None,
        slug: "new".into(),
        name: "bad".into(),
        uses: 0,
        source: "x".into(),
    });
    assert!(is_not_permitted(&error.run(&db.pool).await.unwrap_err()));
}
