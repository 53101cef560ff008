//! A whole version of a source, from CSV: twice, with a change, a mistake and a row that is gone.
//!
//! `cargo run -p upsert-runtime --features sqlite --example import_csv`

use serde::Deserialize;
use sqlx::sqlite::SqlitePoolOptions;
use upsert_runtime::{LockedUpsert, Missing};

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
struct Taxonomy {
    id: i64,
    remote_id: Option<String>,
    slug: String,
    name: String,
}

const TABLE: &str = "CREATE TABLE taxonomy (id INTEGER PRIMARY KEY, remote_id TEXT UNIQUE, slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL)";

// In the second version `r1` and `r2` have exchanged their slugs, one line has no key, and `r4` is gone.
const FIRST: &str = "id,slug,label\nr1,rock,Rock\nr2,jazz,Jazz\n,soul,Soul\nr4,polka,Polka\n";
const SECOND: &str = "id,slug,label\nr1,jazz,Rock\nr2,rock,Jazz\nr3,soul,Soul\n,,Nameless\n";

/// A line of the source, with the source's own names. An empty cell is `None`.
#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    slug: String,
    label: String,
}

impl From<Line> for NewTaxonomy {
    fn from(line: Line) -> Self {
        Self {
            remote_id: line.id,
            slug: line.slug,
            name: line.label,
        }
    }
}

fn lines(text: &str) -> Result<Vec<Line>, csv::Error> {
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await?;
    sqlx::raw_sql(TABLE).execute(&pool).await?;

    let report = Taxonomy::import(lines(FIRST)?).run(&pool).await?;
    println!("first: {report}");
    assert_eq!((report.records, report.created), (4, 4));

    // Rows that the source has no more are looked for, and deleted only if no record failed. Never more than
    // half of the rows: then the whole import is `Error::Refused`, before anything is written.
    let import = Taxonomy::import(lines(SECOND)?)
        .missing(Missing::Delete)
        .max_share(0.5);
    let report = import.run(&pool).await?;
    println!("second: {report}");
    for failure in &report.failed {
        // The index counts from 0, and the file begins with a line of names. The other records are stored.
        println!("line {}: {}", failure.index + 2, failure.error);
    }
    assert_eq!((report.updated, report.failed.len()), (3, 1));
    // `r4` is missing. It stays: the line without a key may have been it.
    assert_eq!((report.missing, report.deleted), (1, 0));
    Ok(())
}
