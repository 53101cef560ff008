//! Which row a record is.

use upsert_runtime::{Error, LockedUpsert, Outcome};

use super::models::{
    NewPage, PAGE, Page, TAXONOMY, Taxonomy, TaxonomyChanges, page, record, upsert, with_rows,
};
use crate::Db;

tests![
    found_by_the_first_key,
    found_by_the_second_key,
    found_by_neither,
    the_first_key_wins,
    a_fallback_takes_the_row_over,
    blank_keys_identify_nothing,
    a_blank_key_that_cannot_be_null_identifies_nothing,
    a_blank_key_does_not_erase_a_stored_one,
    what_is_set_explicitly_is_written,
    blank_keys_are_stored_as_null_where_that_is_possible,
    no_usable_key,
    composite_keys,
    an_ambiguous_key_writes_nothing,
    keys_are_trimmed_but_stored_padding_is_not,
    case_differs_but_where_the_collation_says_otherwise,
];

async fn found_by_the_first_key(db: Db) {
    let [rock, _] = &with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await[..] else {
        panic!()
    };
    let done = upsert(&db, record("r1", "rock-and-roll")).await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["slug", "name"]
        }
    );
    assert_eq!((done.row.id, &*done.row.slug), (rock.id, "rock-and-roll"));
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 2);
}

async fn found_by_the_second_key(db: Db) {
    let [rock] = &with_rows(&db, [record(None, "rock")]).await[..] else {
        panic!()
    };
    let done = upsert(&db, record("r1", "rock")).await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "slug",
            changed: vec!["remote_id"]
        }
    );
    assert_eq!(
        (done.row.id, done.row.remote_id.as_deref()),
        (rock.id, Some("r1"))
    );
}

async fn found_by_neither(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let (row, created) = upsert(&db, record("r2", "jazz")).await.into_pair();
    assert!(created);
    assert_eq!((row.remote_id.as_deref(), &*row.slug), (Some("r2"), "jazz"));
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 2);
}

async fn the_first_key_wins(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock"), record("r2", "jazz")]).await;
    let changes = TaxonomyChanges::new().uses(5);
    let done = Taxonomy::upsert(record("r2", "rock"))
        .updating(changes)
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["uses"]
        }
    );
    assert_eq!(done.row.id, rows[1].id);
    assert_eq!(
        db.texts("SELECT slug FROM taxonomy WHERE uses = 5").await,
        ["jazz"]
    );
}

async fn a_fallback_takes_the_row_over(db: Db) {
    let rows = with_rows(&db, [record("r1", "rock")]).await;
    let done = upsert(&db, record("r2", "rock")).await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "slug",
            changed: vec!["remote_id"]
        }
    );
    assert_eq!(done.row.id, rows[0].id);
}

async fn blank_keys_identify_nothing(db: Db) {
    with_rows(&db, []).await;
    // A row whose key is blank: none of these records is it.
    for (n, blank) in ["", " ", "\t", "\u{a0}", " \u{2003}\n"]
        .into_iter()
        .enumerate()
    {
        db.run("DELETE FROM taxonomy").await;
        db.run(&format!(
            "INSERT INTO taxonomy (remote_id, slug, name, uses, source) VALUES ('{blank}', 'blank', 'blank', 0, 'x')"
        ))
        .await;
        for (m, key) in [
            None,
            Some(""),
            Some(" "),
            Some("\t"),
            Some("\u{a0}"),
            Some(blank),
        ]
        .into_iter()
        .enumerate()
        {
            let done = upsert(&db, record(key, &format!("s{n}-{m}"))).await;
            assert_eq!(done.outcome, Outcome::Created, "{key:?} beside {blank:?}");
            assert_eq!(done.row.remote_id, None);
        }
    }
}

async fn a_blank_key_that_cannot_be_null_identifies_nothing(db: Db) {
    with_rows(&db, [record("r1", " ")]).await;
    // Its slug is found in the table, but says nothing: the record is another one, which the unique index keeps out.
    let get_or_create = TaxonomyChanges::new();
    let error = Taxonomy::upsert(record("r2", " "))
        .updating(get_or_create)
        .run(&db.pool)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

async fn a_blank_key_does_not_erase_a_stored_one(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    for blank in [None, Some(""), Some(" \t")] {
        let done = upsert(&db, record(blank, "rock").named("Rock")).await;
        assert_eq!(done.row.remote_id.as_deref(), Some("r1"));
    }
    let done = upsert(&db, record("r1", " ").named("Roll")).await;
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["name"]
        }
    );
    assert_eq!(done.row.slug, "rock");
}

async fn what_is_set_explicitly_is_written(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    let erase = TaxonomyChanges::new().remote_id(None);
    let done = Taxonomy::upsert(record("r1", "rock"))
        .updating(erase)
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "remote_id",
            changed: vec!["remote_id"]
        }
    );
    assert_eq!(done.row.remote_id, None);
}

async fn blank_keys_are_stored_as_null_where_that_is_possible(db: Db) {
    with_rows(&db, []).await;
    assert_eq!(upsert(&db, record(" ", "rock")).await.row.remote_id, None);
    // A slug has no NULL: it is stored as it is.
    assert_eq!(upsert(&db, record("r1", " ")).await.row.slug, " ");
}

async fn no_usable_key(db: Db) {
    with_rows(&db, [record("r1", "")]).await;
    for blank in [None, Some(""), Some("\u{a0}")] {
        let error = Taxonomy::upsert(record(blank, "\t"))
            .run(&db.pool)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::NoUsableKey { .. }), "{error}");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("`remote_id`, `slug`"), "{error}");
    }
    assert_eq!(db.number("SELECT count(*) FROM taxonomy").await, 1);
}

async fn composite_keys(db: Db) {
    db.run(PAGE).await;
    for new in [
        page(1, Some(1), "home"),
        page(2, Some(2), "home"),
        page(3, Some(1), "about"),
    ] {
        assert_eq!(
            Page::upsert(new)
                .run(&db.pool)
                .await
                .expect("an upsert")
                .outcome,
            Outcome::Created
        );
    }
    let done = Page::upsert(NewPage {
        title: "Home".into(),
        ..page(2, Some(2), "home")
    })
    .run(&db.pool)
    .await
    .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "id",
            changed: vec!["title"]
        }
    );
    // A composite key with a NULL in it is no key, and other rows with the same NULL are other records.
    for id in [4, 5] {
        let done = Page::upsert(page(id, None, "home"))
            .run(&db.pool)
            .await
            .expect("an upsert");
        assert_eq!(done.outcome, Outcome::Created);
    }
    // The other id claims the row that the composite key finds.
    let error = Page::upsert(page(9, Some(1), "about"))
        .run(&db.pool)
        .await
        .unwrap_err();
    let Error::IdentityConflict {
        matched_by,
        claimed_by,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((matched_by, claimed_by), ("(site_id, slug)", "id"));
    assert_eq!(db.number("SELECT count(*) FROM page").await, 5);
}

async fn an_ambiguous_key_writes_nothing(db: Db) {
    db.run(&TAXONOMY.replace("slug {text} NOT NULL UNIQUE", "slug {text} NOT NULL"))
        .await;
    for name in ["a", "b", "c"] {
        db.run(&format!(
            "INSERT INTO taxonomy (slug, name, uses, source) VALUES ('rock', '{name}', 0, 'x')"
        ))
        .await;
    }
    let error = Taxonomy::upsert(record("r1", "rock"))
        .run(&db.pool)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "`Taxonomy`: look-up by `slug`: more than one row matches; a look-up needs a unique index"
    );
    assert_eq!(
        db.texts("SELECT name FROM taxonomy ORDER BY id").await,
        ["a", "b", "c"]
    );
    assert_eq!(
        db.number("SELECT count(*) FROM taxonomy WHERE remote_id IS NULL")
            .await,
        3
    );
}

async fn keys_are_trimmed_but_stored_padding_is_not(db: Db) {
    with_rows(&db, [record(" r1\u{a0}", "rock")]).await;
    assert_eq!(db.texts("SELECT remote_id FROM taxonomy").await, ["r1"]);
    assert_eq!(
        upsert(&db, record("\tr1 ", "rock")).await.outcome,
        Outcome::Unchanged {
            matched_by: "remote_id"
        }
    );
    let changes = TaxonomyChanges::new().remote_id(Some(" r2 ".into()));
    let done = Taxonomy::upsert(record("r1", "rock"))
        .updating(changes)
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(done.row.remote_id.as_deref(), Some("r2"));
    // Padding that somebody stored is part of the key.
    db.run("UPDATE taxonomy SET remote_id = ' r3'").await;
    assert_eq!(
        upsert(&db, record(" r3", "jazz")).await.outcome,
        Outcome::Created
    );
}

async fn case_differs_but_where_the_collation_says_otherwise(db: Db) {
    with_rows(&db, [record("r1", "rock")]).await;
    assert_eq!(
        upsert(&db, record(None, "Rock")).await.outcome,
        Outcome::Created
    );
    if cfg_mysql() {
        db.run("DROP TABLE taxonomy").await;
        db.run(&TAXONOMY.replace(
            "slug {text}",
            "slug varchar(190) COLLATE utf8mb4_general_ci",
        ))
        .await;
        let rock = upsert(&db, record("r1", "rock")).await.row;
        // The look-up is the database's, and finds the row; the difference is the field's, and is written.
        let done = upsert(&db, record(None, "ROCK ").named("rock")).await;
        assert_eq!(
            done.outcome,
            Outcome::Updated {
                matched_by: "slug",
                changed: vec!["slug"]
            }
        );
        assert_eq!((done.row.id, &*done.row.slug), (rock.id, "ROCK "));
    }
}

fn cfg_mysql() -> bool {
    <crate::Sqlx as upsert_tests::Target>::TARGET == "mysql"
}
