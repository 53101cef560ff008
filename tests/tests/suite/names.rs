//! Names of tables and columns, and types of keys.

#![allow(clippy::struct_field_names)] // they are what a model of these tests is about

use sqlx::types::Uuid;
use upsert_runtime::{Key, LockedUpsert, Outcome};
use upsert_tests::Target;

use crate::{Db, Sqlx};

tests![
    reserved_words_and_renamed_columns,
    a_schema,
    keys_of_other_types,
    names_with_quotes,
    names_that_are_ours
];

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "select")]
#[lookup(r#type, (r#match, order))]
#[sqlx(rename_all = "SCREAMING_SNAKE_CASE")]
struct Reserved {
    #[upsert(id)]
    primary: i64,
    r#type: Option<String>,
    #[sqlx(rename = "from")]
    r#match: String,
    order: i32,
    #[sqlx(rename = "page_title")]
    title: Option<String>,
    #[sqlx(skip)]
    cached: u8,
}

async fn reserved_words_and_renamed_columns(db: Db) {
    let sql = "CREATE TABLE `select` (`PRIMARY` {id}, `TYPE` {text} UNIQUE, `from` {text} NOT NULL, `ORDER` int NOT NULL, \
               page_title {text}, UNIQUE (`from`, `ORDER`))";
    db.run(&if Sqlx::TARGET == "mysql" {
        sql.to_owned()
    } else {
        sql.replace('`', "\"")
    })
    .await;
    let new = || NewReserved {
        r#type: Some("a".into()),
        r#match: "b".into(),
        order: 1,
        title: None,
    };
    assert_eq!(
        Reserved::upsert(new())
            .run(&db.pool)
            .await
            .expect("an upsert")
            .outcome,
        Outcome::Created
    );
    let changes = ReservedChanges::new()
        .r#type(None)
        .order(2)
        .title(Some("t".into()));
    let done = Reserved::upsert(new())
        .updating(changes)
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "type",
            changed: vec!["type", "order", "title"]
        }
    );
    let by_both = NewReserved {
        r#type: None,
        order: 2,
        ..new()
    };
    let done = Reserved::upsert(by_both)
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "(match, order)",
            changed: vec!["title"]
        }
    );
    assert_eq!(done.row.cached, 0);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "upsert_test_music.genre")]
#[lookup(slug)]
struct Genre {
    id: i64,
    slug: String,
    name: String,
}

async fn a_schema(db: Db) {
    let pool = db.pool_of(1).await;
    let setup = match Sqlx::TARGET {
        "sqlite" => format!("ATTACH DATABASE '{}.music' AS upsert_test_music", db.name),
        _ =>
        // On MySQL a database, beside the test's own: if there is one of that name, it is not ours to use.
        {
            "CREATE SCHEMA upsert_test_music".to_owned()
        }
    };
    Sqlx::run_text(&pool, setup).await;
    Sqlx::run_text(
        &pool,
        Sqlx::spell(
            "CREATE TABLE upsert_test_music.genre (id {id}, slug {text} NOT NULL UNIQUE, name {text} NOT NULL)",
        ),
    )
    .await;
    let new = |name: &str| NewGenre {
        slug: "rock".into(),
        name: name.into(),
    };
    assert_eq!(
        Genre::upsert(new("Rock"))
            .run(&pool)
            .await
            .expect("an upsert")
            .outcome,
        Outcome::Created
    );
    let done = Genre::upsert(new("Roll"))
        .run(&pool)
        .await
        .expect("an upsert");
    assert_eq!(
        done.outcome,
        Outcome::Updated {
            matched_by: "slug",
            changed: vec!["name"]
        }
    );
    if Sqlx::TARGET == "mysql" {
        // A schema of MySQL is a database, which does not go with the test's.
        Sqlx::run_text(&pool, "DROP SCHEMA upsert_test_music".to_owned()).await;
    }
    pool.close().await;
}

#[derive(Debug, Clone, PartialEq, sqlx::Type)]
#[sqlx(transparent)]
struct Slug(String);

impl Key for Slug {
    fn is_blank(&self) -> bool {
        self.0.is_blank()
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(digest, slug, number, id)]
struct Typed {
    #[upsert(id, assigned)]
    id: Uuid,
    digest: Option<Vec<u8>>,
    slug: Option<Slug>,
    number: Option<i32>,
    uses: i64,
}

async fn keys_of_other_types(db: Db) {
    let (uuid, bytes) = match Sqlx::TARGET {
        "postgres" => ("uuid", "bytea"),
        "mysql" => ("binary(16)", "varbinary(32)"),
        _ => ("blob", "blob"),
    };
    db.run(&format!(
        "CREATE TABLE typed (id {uuid} NOT NULL PRIMARY KEY, digest {bytes} UNIQUE, slug {{text}} UNIQUE, number int UNIQUE, uses bigint NOT NULL)"
    ))
    .await;
    let empty = |id| NewTyped {
        id: Uuid::from_u128(id),
        digest: None,
        slug: None,
        number: None,
        uses: 0,
    };
    let run = async |new: NewTyped| {
        Typed::upsert(new)
            .updating(TypedChanges::new().uses(1))
            .run(&db.pool)
            .await
            .expect("an upsert")
            .outcome
    };
    // Rows whose other keys are blank, each in its way: only the id tells them apart.
    let blanks = [
        empty(1),
        NewTyped {
            digest: Some(Vec::new()),
            ..empty(2)
        },
        NewTyped {
            slug: Some(Slug(" ".into())),
            ..empty(3)
        },
        NewTyped {
            digest: Some(Vec::new()),
            slug: Some(Slug(String::new())),
            ..empty(4)
        },
    ];
    for new in blanks {
        assert_eq!(run(new).await, Outcome::Created);
    }
    let full = || NewTyped {
        digest: Some(vec![0, 255]),
        slug: Some(Slug("rock".into())),
        number: Some(0),
        ..empty(5)
    };
    assert_eq!(run(full()).await, Outcome::Created);
    assert_eq!(
        run(full()).await,
        Outcome::Updated {
            matched_by: "digest",
            changed: vec!["uses"]
        }
    );
    for (new, matched_by) in [
        (
            NewTyped {
                digest: None,
                ..full()
            },
            "slug",
        ),
        (
            NewTyped {
                digest: None,
                slug: None,
                ..full()
            },
            "number",
        ),
        (empty(5), "id"),
    ] {
        assert_eq!(run(new).await, Outcome::Unchanged { matched_by });
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "ta\"b`le")]
#[lookup(slug)]
struct Quoted {
    id: i64,
    #[sqlx(rename = "sl\"u`g ?")]
    slug: String,
}

async fn names_with_quotes(db: Db) {
    let sql = if Sqlx::TARGET == "mysql" {
        "CREATE TABLE `ta\"b``le` (id {id}, `sl\"u``g ?` {text} UNIQUE)"
    } else {
        "CREATE TABLE \"ta\"\"b`le\" (id {id}, \"sl\"\"u`g ?\" {text} UNIQUE)"
    };
    db.run(sql).await;
    let run = async |slug: &str| {
        Quoted::upsert(NewQuoted { slug: slug.into() })
            .run(&db.pool)
            .await
            .expect("an upsert")
            .outcome
    };
    assert_eq!(run("a").await, Outcome::Created);
    assert_eq!(run("a").await, Outcome::Unchanged { matched_by: "slug" });
}

/// What statements of ours call rows and columns.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "upsert_new")]
#[lookup(upsert_id, (upsert_c0, upsert_n))]
struct Ours {
    #[upsert(id)]
    upsert_found: i64,
    upsert_id: String,
    upsert_c0: String,
    upsert_n: i64,
    #[sqlx(rename = "UPSERT__C3")]
    upsert_c3: i64,
}

async fn names_that_are_ours(db: Db) {
    // The model does not know all of them.
    db.run(
        "CREATE TABLE upsert_new (upsert_found {id}, upsert_id {text} NOT NULL UNIQUE, upsert_c0 {text} NOT NULL, \
         upsert_n bigint NOT NULL, \"UPSERT__C3\" bigint NOT NULL, upsert_values bigint, upsert___id bigint, upsert___c2 bigint, \
         UNIQUE (upsert_c0, upsert_n))"
            .replace('"', if Sqlx::TARGET == "mysql" { "`" } else { "\"" })
            .as_str(),
    )
    .await;
    let ours = |id: i64, key: i64, n: i64| NewOurs {
        upsert_id: format!("i{id}"),
        upsert_c0: format!("c{key}"),
        upsert_n: key,
        upsert_c3: n,
    };
    let import = async |records: Vec<NewOurs>| {
        let report = Ours::import(records).changes(true).run(&db.pool).await;
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert!(report.failed.is_empty(), "{report} {:?}", report.failed);
        (report.created, report.updated, report.unchanged)
    };
    assert_eq!(
        import(vec![ours(0, 0, 0), ours(1, 1, 0), ours(2, 2, 0)]).await,
        (3, 0, 0)
    );
    // Two exchange a key, one changes, one is new.
    let records = vec![ours(0, 1, 0), ours(1, 0, 0), ours(2, 2, 1), ours(3, 3, 0)];
    assert_eq!(import(records).await, (1, 3, 0));
    let done = Ours::upsert(ours(3, 3, 4))
        .run(&db.pool)
        .await
        .expect("an upsert");
    assert_eq!(done.row.upsert_c3, 4);
    db.run("CREATE TABLE upsert_one (id {id}, slug {text} NOT NULL UNIQUE)")
        .await;
    let new = NewOne {
        slug: "a".to_owned(),
    };
    let report = One::import([new]).run(&db.pool).await;
    assert_eq!(report.expect("an import").created, 1);
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[upsert(table = "upsert_one")]
#[lookup(slug)]
struct One {
    id: i64,
    slug: String,
}
