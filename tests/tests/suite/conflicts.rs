//! A unique key that another row holds, and rows that are another record.

use upsert_runtime::{Error, LockedUpsert, Outcome, Retry};
use upsert_tests::Target;

use super::models::{NewUnclaimed, TAXONOMY, Taxonomy, Unclaimed, record, upsert, with_rows};
use crate::{Db, Sqlx};

tests![
    an_update_that_needs_another_rows_key,
    a_create_that_needs_another_rows_key,
    a_conflict_is_one_whatever_the_retry_says,
    the_callers_transaction_can_go_on,
    a_deferrable_constraint on ["postgres"],
    unclaimed_leaves_a_claimed_row_alone,
];

/// What the database calls the unique key on `column`.
fn named(constraint: &str, column: &str) -> bool {
    match Sqlx::TARGET {
        "postgres" => constraint == format!("taxonomy_{column}_key"),
        "mysql" => constraint == column,
        _ => constraint == format!("taxonomy.{column}"),
    }
}

async fn an_update_that_needs_another_rows_key(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let error = Taxonomy::upsert(record("r2", "rock").named("changed"))
        .run(&db.pool)
        .await
        .unwrap_err();
    let Error::Conflict {
        constraint: Some(constraint),
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert!(named(constraint, "slug"), "{constraint}");
    assert!(!error.is_retryable());
    assert!(!error.to_string().contains("rock"), "{error}");
    assert_eq!(
        upsert(&db, record("r2", "jazz")).await.row,
        rows[1],
        "nothing was written"
    );
}

async fn a_create_that_needs_another_rows_key(db: Db) {
    // Unique, but no look-up.
    db.run(&TAXONOMY.replace("name {text} NOT NULL", "name {text} NOT NULL UNIQUE"))
        .await;
    upsert(&db, record("r1", "rock")).await;
    let error = Taxonomy::upsert(record("r2", "jazz").named("rock"))
        .run(&db.pool)
        .await
        .unwrap_err();
    let Error::Conflict {
        constraint: Some(constraint),
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert!(named(constraint, "name"), "{constraint}");
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 1);
}

async fn a_conflict_is_one_whatever_the_retry_says(db: Db) {
    db.run(&TAXONOMY.replace("name {text} NOT NULL", "name {text} NOT NULL UNIQUE"))
        .await;
    upsert(&db, record("r1", "rock")).await;
    upsert(&db, record(None, "jazz")).await;
    for retry in [Retry::never(), Retry::attempts(2), Retry::attempts(10)] {
        // By a create, and by the update of a row that a fallback found.
        for new in [
            record("r2", "folk").named("rock"),
            record("r2", "jazz").named("rock"),
        ] {
            let error = Taxonomy::upsert(new)
                .retry(retry)
                .run(&db.pool)
                .await
                .unwrap_err();
            assert!(matches!(error, Error::Conflict { .. }), "{error}");
            assert!(!error.is_retryable());
        }
    }
}

async fn the_callers_transaction_can_go_on(db: Db) {
    with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let mut ours = upsert_runtime::begin(&db.pool)
        .await
        .expect("a transaction");
    Taxonomy::upsert(record("r3", "folk"))
        .run_in(&mut ours)
        .await
        .expect("an upsert");
    let error = Taxonomy::upsert(record("r2", "rock"))
        .run_in(&mut ours)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    Taxonomy::upsert(record("r4", "soul"))
        .run_in(&mut ours)
        .await
        .expect("an upsert");
    ours.commit().await.expect("a commit");
    let mut theirs = db.pool.begin().await.expect("a transaction");
    Taxonomy::upsert(record("r5", "funk"))
        .run_in(&mut theirs)
        .await
        .expect("an upsert");
    let error = Taxonomy::upsert(record("r2", "rock"))
        .run_in(&mut theirs)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    Taxonomy::upsert(record("r6", "ska"))
        .run_in(&mut theirs)
        .await
        .expect("an upsert");
    theirs.commit().await.expect("a commit");
    let slugs = db.texts("SELECT slug FROM taxonomy ORDER BY id").await;
    for slug in ["rock", "jazz", "folk", "soul", "funk", "ska"] {
        assert!(slugs.iter().any(|stored| stored == slug), "{slug}");
    }
}

async fn a_deferrable_constraint(db: Db) {
    for when in ["IMMEDIATE", "DEFERRED"] {
        db.run("DROP TABLE IF EXISTS taxonomy").await;
        db.run(&TAXONOMY.replace(
            "slug {text} NOT NULL UNIQUE",
            &format!("slug {{text}} NOT NULL UNIQUE DEFERRABLE INITIALLY {when}"),
        ))
        .await;
        upsert(&db, record("r1", "rock")).await;
        let create = Taxonomy::upsert(record("r2", "jazz")).retry(Retry::never());
        assert_eq!(
            create.run(&db.pool).await.expect("an upsert").outcome,
            Outcome::Created
        );
        let error = Taxonomy::upsert(record("r2", "rock"))
            .run(&db.pool)
            .await
            .unwrap_err();
        let Error::Conflict {
            constraint: Some(constraint),
            ..
        } = &error
        else {
            panic!("{when}: {error}")
        };
        assert!(named(constraint, "slug"), "{constraint}");
        let mut tx = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        Taxonomy::upsert(record("r3", "folk"))
            .run_in(&mut tx)
            .await
            .expect("an upsert");
        tx.commit().await.expect("a commit");
        // Two that want to create the same: the second learns of it at its COMMIT, and looks again.
        let mut first = upsert_runtime::begin(&db.pool)
            .await
            .expect("a transaction");
        Taxonomy::upsert(record(None, "soul"))
            .run_in(&mut first)
            .await
            .expect("an upsert");
        let pool = db.pool.clone();
        let second = tokio::spawn(async move {
            Taxonomy::upsert(record(None, "soul").named("Soul"))
                .run(&pool)
                .await
        });
        super::races::until_one_waits(&db).await;
        first.commit().await.expect("a commit");
        let done = second.await.expect("no panic").expect("an upsert");
        assert_eq!(
            done.outcome,
            Outcome::Updated {
                matched_by: "slug",
                changed: vec!["name"]
            }
        );
    }
}

async fn unclaimed_leaves_a_claimed_row_alone(db: Db) {
    with_rows(&db, [record("r1", "rock"), record(None, "jazz")]).await;
    let new = |remote_id: Option<&str>, slug: &str| NewUnclaimed {
        remote_id: remote_id.map(str::to_owned),
        slug: slug.to_owned(),
        name: "new".to_owned(),
        uses: 0,
        source: "x".to_owned(),
    };
    let error = Unclaimed::upsert(new(Some("r2"), "rock"))
        .run(&db.pool)
        .await
        .unwrap_err();
    let Error::IdentityConflict {
        matched_by,
        claimed_by,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*matched_by, *claimed_by), ("slug", "remote_id"));
    assert_eq!(
        db.texts("SELECT name FROM taxonomy WHERE slug = 'rock'")
            .await,
        ["rock"]
    );
    // A row without the earlier key, or a record without it: nobody claims.
    let done = Unclaimed::upsert(new(Some("r2"), "jazz"))
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "slug",
            changed: vec!["remote_id", "name"]
        }
    );
    let done = Unclaimed::upsert(new(None, "rock"))
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "slug",
            changed: vec!["name"]
        }
    );
}
