//! Missing rows that refer to each other, or that rows of the import refer to.

use upsert_runtime::{Error, LockedUpsert, Missing, Report};

use super::super::races::until_one_waits;
use crate::{Db, Sqlx};
use upsert_tests::Target;

tests![
    a_tree_goes_in_one_run,
    what_goes_with_a_missing_row_is_told,
    a_row_of_the_import_keeps_what_it_refers_to,
    a_row_out_of_the_scope_goes_as_the_schema_has_it,
    a_protected_row_keeps_what_it_refers_to,
    a_key_is_not_had_by_a_deletion_that_takes_a_row_of_the_import,
    a_deletion_that_comes_back_by_another_table,
    rights_on_the_table_alone on ["mysql"],
    a_row_that_begins_to_refer_meanwhile_keeps_what_it_refers_to on ["postgres", "mysql"],
];

/// The import knows nothing of `parent_id`.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
struct Node {
    id: i64,
    remote_id: Option<String>,
    slug: String,
}

/// A row for each of these: its id, which is in its keys, and the row that it refers to.
async fn nodes(db: &Db, on_delete: &str, rows: &[(i64, Option<i64>)]) {
    db.run(&format!(
        "CREATE TABLE node (id {{id}}, remote_id {{text}} UNIQUE, slug {{text}} NOT NULL UNIQUE, parent_id bigint, \
         FOREIGN KEY (parent_id) REFERENCES node (id) {on_delete})"
    ))
    .await;
    for (id, parent) in rows {
        let parent = parent.map_or_else(|| "NULL".to_owned(), |parent| parent.to_string());
        db.run(&format!(
            "INSERT INTO node (id, remote_id, slug, parent_id) VALUES ({id}, 'r{id}', 's{id}', {parent})"
        ))
        .await;
    }
}

fn node(id: i64) -> NewNode {
    NewNode {
        remote_id: Some(format!("r{id}")),
        slug: format!("s{id}"),
    }
}

async fn import(db: &Db, records: Vec<NewNode>, chunk_size: usize) -> Report<Node> {
    let import = Node::import(records)
        .missing(Missing::Delete)
        .max_share(1.0)
        .chunk_size(chunk_size)
        .changes(true);
    import.run(&db.pool).await.expect("an import")
}

async fn slugs(db: &Db) -> Vec<String> {
    db.texts("SELECT slug FROM node ORDER BY id").await
}

/// A row that is to be left alone is never deleted, neither by itself nor by what the database does besides.
async fn a_protected_row_keeps_what_it_refers_to(db: Db) {
    for atomic in [false, true] {
        let rows = [(1, None), (2, Some(1)), (3, None), (9, None)];
        nodes(&db, "ON DELETE CASCADE", &rows).await;
        let import = Node::import([node(9)])
            .missing(Missing::Delete)
            .max_share(1.0)
            .atomic(atomic)
            .protect(|row| row.slug == "s2");
        let report = import.run(&db.pool).await.expect("an import");
        assert_eq!((report.missing, report.deleted), (2, 1), "{report}");
        assert_eq!(slugs(&db).await, ["s1", "s2", "s9"]);
        db.run("DROP TABLE node").await;
    }
}

/// Three levels, of which some refer to rows with greater ids.
const TREE: &[(i64, Option<i64>)] = &[
    (3, None),
    (2, Some(3)),
    (5, Some(3)),
    (1, Some(2)),
    (4, Some(2)),
    (9, None),
];

async fn a_tree_goes_in_one_run(db: Db) {
    for chunk_size in [1, 2, 1_000] {
        nodes(&db, "", TREE).await;
        let report = import(&db, vec![node(9)], chunk_size).await;
        assert_eq!((report.missing, report.deleted), (5, 5), "{chunk_size}");
        assert_eq!(slugs(&db).await, ["s9"]);
        db.run("DROP TABLE node").await;
    }
}

async fn what_goes_with_a_missing_row_is_told(db: Db) {
    for chunk_size in [1, 2, 1_000] {
        nodes(&db, "ON DELETE CASCADE", TREE).await;
        let report = import(&db, vec![node(9)], chunk_size).await;
        assert_eq!((report.missing, report.deleted), (5, 5), "{chunk_size}");
        let told = report
            .changes
            .iter()
            .filter_map(|change| change.before.as_ref());
        let mut told: Vec<i64> = told.map(|row| row.id).collect();
        told.sort_unstable();
        assert_eq!(told, [1, 2, 3, 4, 5]);
        assert_eq!(slugs(&db).await, ["s9"]);
        db.run("DROP TABLE node").await;
    }
}

async fn a_row_of_the_import_keeps_what_it_refers_to(db: Db) {
    for on_delete in ["", "ON DELETE CASCADE"] {
        for chunk_size in [1, 1_000] {
            nodes(&db, on_delete, TREE).await;
            let report = import(&db, vec![node(9), node(1)], chunk_size).await;
            let counts = (report.unchanged, report.missing, report.deleted);
            assert_eq!(counts, (2, 4, 2), "{on_delete} {chunk_size}");
            assert_eq!(slugs(&db).await, ["s1", "s2", "s3", "s9"]);
            db.run("DROP TABLE node").await;
        }
    }
}

async fn a_row_out_of_the_scope_goes_as_the_schema_has_it(db: Db) {
    nodes(
        &db,
        "ON DELETE CASCADE",
        &[(1, None), (2, Some(1)), (9, None)],
    )
    .await;
    let report = Node::import([node(9)])
        .missing(Missing::Delete)
        .max_share(1.0)
        .scope(|row| row.id != 2)
        .run(&db.pool)
        .await
        .expect("an import");
    assert_eq!((report.missing, report.deleted), (1, 2));
    assert_eq!(slugs(&db).await, ["s9"]);
}

async fn a_key_is_not_had_by_a_deletion_that_takes_a_row_of_the_import(db: Db) {
    nodes(
        &db,
        "ON DELETE CASCADE",
        &[(1, None), (2, Some(1)), (3, None)],
    )
    .await;
    let taking = NewNode {
        slug: "s1".into(),
        ..node(3)
    };
    let report = import(&db, vec![taking, node(2)], 1_000).await;
    let counts = (report.unchanged, report.missing, report.deleted);
    assert_eq!(counts, (1, 1, 0), "{report}");
    assert!(matches!(report.failed[0].error, Error::Conflict { .. }));
    assert_eq!(slugs(&db).await, ["s1", "s2", "s3"]);
}

/// Nobody could tell which rows would go, so none does.
async fn a_deletion_that_comes_back_by_another_table(db: Db) {
    nodes(&db, "ON DELETE CASCADE", &[(1, None), (2, None), (9, None)]).await;
    let create = |table: &str, column: &str, other: &str, on_delete: &str| {
        format!(
            "CREATE TABLE {table} (id {{id}}, {column} bigint, FOREIGN KEY ({column}) REFERENCES {other} (id) {on_delete})"
        )
    };
    // That others go with a row is none of the import's business.
    db.run(&create("leaf", "node_id", "node", "ON DELETE CASCADE"))
        .await;
    db.run(&create("flower", "leaf_id", "leaf", "ON DELETE CASCADE"))
        .await;
    db.run("INSERT INTO leaf (id, node_id) VALUES (1, 1)").await;
    let report = import(&db, vec![node(2), node(9)], 1_000).await;
    assert_eq!((report.missing, report.deleted), (1, 1), "{report}");
    assert_eq!(db.number("SELECT count(*) FROM leaf").await, 0);
    // A node refers to a flower, and goes with it.
    let refer = match Sqlx::TARGET {
        "sqlite" => {
            "ALTER TABLE node ADD COLUMN flower_id bigint REFERENCES flower (id) ON DELETE CASCADE"
        }
        _ => {
            "ALTER TABLE node ADD COLUMN flower_id bigint, ADD FOREIGN KEY (flower_id) REFERENCES flower (id) ON DELETE CASCADE"
        }
    };
    db.run(refer).await;
    db.run("INSERT INTO leaf (id, node_id) VALUES (1, 2)").await;
    db.run("INSERT INTO flower (id, leaf_id) VALUES (1, 1)")
        .await;
    db.run("UPDATE node SET flower_id = 1 WHERE id = 9").await;
    let import = Node::import([node(9), node(5)])
        .missing(Missing::Delete)
        .max_share(1.0);
    let error = import.run(&db.pool).await.unwrap_err();
    let Error::Stopped { source, report } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**source, Error::Unsupported { .. }), "{source}");
    assert!(source.to_string().contains("ON DELETE CASCADE"), "{source}");
    assert_eq!((report.created, report.deleted), (0, 0), "{report}");
    assert_eq!(slugs(&db).await, ["s2", "s9"]);
    // With nothing missing there is nothing to ask.
    let all = Node::import([node(2), node(9)]).missing(Missing::Delete);
    let report = all.run(&db.pool).await.expect("an import");
    assert_eq!(report.unchanged, 2);
}

/// MariaDB 10.11's catalog hides the rules of foreign keys from who has no rights on the whole database; 11.8's does not.
async fn rights_on_the_table_alone(db: Db) {
    nodes(
        &db,
        "ON DELETE CASCADE",
        &[(1, None), (2, Some(1)), (9, None)],
    )
    .await;
    let rights = ["SELECT, INSERT, UPDATE, DELETE ON node"];
    let pool = db.pool_with_rights(&rights).await;
    let import = |records: Vec<NewNode>| {
        let import = Node::import(records).missing(Missing::Delete);
        import.max_share(1.0).run(&pool)
    };
    let report = import(vec![node(9), node(2)]).await.expect("an import");
    assert_eq!((report.missing, report.deleted), (1, 0), "{report}");
    assert_eq!(slugs(&db).await, ["s1", "s2", "s9"]);
    // Where it may come back, nobody can tell that it does not.
    db.run("CREATE TABLE other (id {id}); ALTER TABLE node ADD COLUMN other_id bigint, ADD FOREIGN KEY (other_id) REFERENCES other (id)")
        .await;
    let rules = "SELECT count(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()";
    let rules: i64 = sqlx::query_scalar(rules)
        .fetch_one(&pool)
        .await
        .expect("a count");
    match (rules, import(vec![node(9)]).await) {
        (0, Err(error)) => {
            assert!(error.to_string().contains("ON DELETE CASCADE"), "{error}");
            assert_eq!(slugs(&db).await, ["s1", "s2", "s9"]);
        }
        (2, Ok(report)) => {
            assert_eq!((report.missing, report.deleted), (2, 2), "{report}");
            assert_eq!(slugs(&db).await, ["s9"]);
        }
        (rules, ended) => panic!("{rules} rules, {ended:?}"),
    }
    pool.close().await;
}

async fn a_row_that_begins_to_refer_meanwhile_keeps_what_it_refers_to(db: Db) {
    nodes(&db, "ON DELETE CASCADE", &[(1, None), (2, None)]).await;
    let mut holder = upsert_runtime::begin(&db.pool).await.expect("begin");
    sqlx::raw_sql("UPDATE node SET parent_id = 1 WHERE id = 2")
        .execute(&mut *holder)
        .await
        .expect("a change");
    let pool = db.pool.clone();
    let waiter = tokio::spawn(async move {
        let import = Node::import([node(2)]).missing(Missing::Delete);
        import.max_share(1.0).run(&pool).await
    });
    until_one_waits(&db).await;
    holder.commit().await.expect("a commit");
    let report = waiter.await.expect("no panic").expect("an import");
    assert_eq!((report.missing, report.deleted), (1, 0), "{report}");
    assert_eq!(slugs(&db).await, ["s1", "s2"]);
}
