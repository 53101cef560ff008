//! A disk that is full: nothing is half-written, and the connection is as good as before. SQLite can be told how large a file may be.

use sqlx::Pool;
use upsert_runtime::{Error, LockedUpsert, Missing};
use upsert_tests::Target;

use super::models::{NewTaxonomy, Taxonomy, numbered, upsert, with_rows};
use crate::{Db, Sqlx};

tests![
    what_does_not_fit_is_told_as_such on ["sqlite"],
    an_import_that_does_not_fit on ["sqlite"],
    a_transaction_of_the_callers_goes_on_or_is_lost on ["sqlite"],
];

const KEEP: &str = "CREATE TRIGGER keep BEFORE DELETE ON taxonomy WHEN old.slug = 's1' BEGIN \
     INSERT INTO archive VALUES (zeroblob(1000000)); END";

/// The only connection of a pool to a table of two rows, whose file may grow by a few pages. What is kept of the second one, if it is deleted,
/// takes more.
async fn nearly_full(db: &Db) -> Pool<Sqlx> {
    with_rows(db, (0..2).map(numbered)).await;
    db.run("CREATE TABLE archive (content blob)").await;
    db.run(KEEP).await;
    let pool = db.pool_of(1).await;
    let pages = db.number("SELECT page_count FROM pragma_page_count").await;
    let limit = format!("PRAGMA max_page_count = {}", pages + 5);
    Sqlx::run_text(&pool, limit).await;
    pool
}

/// Deletes a row, of which nothing is kept.
async fn take_away(db: &Db, slug: &str) {
    db.run(&format!("DELETE FROM taxonomy WHERE slug = '{slug}'"))
        .await;
}

/// The record with so much in it that it does not fit.
fn large(n: u32) -> NewTaxonomy {
    NewTaxonomy {
        description: Some("x".repeat(1_000_000)),
        ..numbered(n)
    }
}

async fn rows(db: &Db) -> Vec<String> {
    db.texts("SELECT slug || coalesce(length(description), '') FROM taxonomy ORDER BY id")
        .await
}

fn assert_is_full(error: &Error) {
    let text = error.to_string();
    assert!(text.contains("database or disk is full"), "{text}");
    assert!(!error.is_retryable() && !error.is_about_record(), "{text}");
}

/// The connection writes what fits.
async fn assert_goes_on(db: &Db, pool: &Pool<Sqlx>) {
    let before = rows(db).await.len();
    let fits = Taxonomy::upsert(numbered(99)).run(pool).await;
    fits.expect("an upsert");
    assert_eq!(rows(db).await.len(), before + 1);
    take_away(db, "s99").await;
}

async fn what_does_not_fit_is_told_as_such(db: Db) {
    let pool = nearly_full(&db).await;
    // Created, and updated.
    for new in [large(5), large(1)] {
        let error = Taxonomy::upsert(new).run(&pool).await.unwrap_err();
        assert!(matches!(error, Error::Database { .. }), "{error}");
        assert_is_full(&error);
        assert_eq!(rows(&db).await, ["s0", "s1"]);
        assert_goes_on(&db, &pool).await;
    }
    pool.close().await;
}

async fn an_import_that_does_not_fit(db: Db) {
    let pool = nearly_full(&db).await;
    for atomic in [false, true] {
        for new in [large(5), large(1)] {
            let mut opened = 0;
            let open = || {
                opened += 1;
                let records = [numbered(0), numbered(2), new.clone(), numbered(3)];
                tokio_stream::iter(records.map(Ok::<_, std::io::Error>))
            };
            let import = Taxonomy::import_from(open).chunk_size(1).atomic(atomic);
            let error = import.run(&pool).await.unwrap_err();
            let Error::Stopped { report, source } = &error else {
                panic!("{error}");
            };
            assert!(matches!(**source, Error::Database { .. }), "{source}");
            assert_is_full(&error);
            // It is no use to begin anew.
            assert_eq!(opened, 2);
            let stored = if atomic {
                &["s0", "s1"][..]
            } else {
                &["s0", "s1", "s2"]
            };
            assert_eq!(rows(&db).await, stored);
            assert_eq!(report.created, u64::from(!atomic), "{report}");
            assert_goes_on(&db, &pool).await;
            take_away(&db, "s2").await;
        }
        // A deletion.
        let import = Taxonomy::import([numbered(0)])
            .missing(Missing::Delete)
            .max_share(1.0)
            .atomic(atomic);
        let error = import.run(&pool).await.unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
        assert_is_full(&error);
        assert_eq!(rows(&db).await, ["s0", "s1"]);
        assert_goes_on(&db, &pool).await;
    }
    pool.close().await;
}

/// What is done in a transaction of the caller's that does not fit.
#[derive(Debug, Clone, Copy)]
enum Call {
    Create,
    Update,
    GuardsUpdate,
    GuardsDelete,
    Import,
    DeletingImport,
}

async fn call(call: Call, tx: &mut upsert_runtime::Transaction<Sqlx>) -> Error {
    match call {
        Call::Create => Taxonomy::upsert(large(5)).run_in(tx).await.err(),
        Call::Update => Taxonomy::upsert(large(1)).run_in(tx).await.err(),
        Call::GuardsUpdate | Call::GuardsDelete => {
            let row = Taxonomy::lock().by_slug(tx, "s1").await;
            let mut row = row.expect("a lock").expect("a row");
            if matches!(call, Call::GuardsDelete) {
                row.delete().await.err()
            } else {
                row.update_description(large(1).description).await.err()
            }
        }
        Call::Import => {
            let import = Taxonomy::import([numbered(2), large(5)]).chunk_size(1);
            import.run_in(tx).await.err()
        }
        Call::DeletingImport => {
            let import = Taxonomy::import([numbered(0), numbered(7)]).missing(Missing::Delete);
            import.max_share(1.0).run_in(tx).await.err()
        }
    }
    .expect("an error")
}

async fn a_transaction_of_the_callers_goes_on_or_is_lost(db: Db) {
    let pool = nearly_full(&db).await;
    for done in [
        Call::Create,
        Call::Update,
        Call::GuardsUpdate,
        Call::GuardsDelete,
        Call::Import,
        Call::DeletingImport,
    ] {
        let mut tx = upsert_runtime::begin(&pool).await.expect("a transaction");
        // What came before is small, and is kept with the transaction or lost with it.
        let before = Taxonomy::upsert(numbered(7)).run_in(&mut tx).await;
        before.expect("an upsert");
        let error = call(done, &mut tx).await;
        let cause = match &error {
            Error::Stopped { source, .. } => &**source,
            error => error,
        };
        let is_lost = match cause {
            Error::TransactionLost { .. } => true,
            error => {
                assert_is_full(error);
                false
            }
        };
        assert_eq!(tx.commit().await.is_err(), is_lost, "{done:?}: {error}");
        let stored = if is_lost {
            &["s0", "s1"][..]
        } else {
            &["s0", "s1", "s7"]
        };
        assert_eq!(rows(&db).await, stored, "{done:?}");
        assert_goes_on(&db, &pool).await;
        take_away(&db, "s7").await;
    }
    pool.close().await;
    upsert(&db, large(5)).await;
}
