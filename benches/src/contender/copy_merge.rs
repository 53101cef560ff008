//! PostgreSQL's `COPY` into a temporary table, then `MERGE`, in one transaction: of all records, or of a thousand at a time.

use std::fmt::Write;

use sqlx::PgPool;

use super::{Contender, Timed, timed};
use crate::record::Record;

const CREATE: &str = "CREATE TEMPORARY TABLE staged (remote_id text, slug text NOT NULL, name text NOT NULL, description text, \
    uses bigint NOT NULL, source text NOT NULL) ON COMMIT DROP";

/// A row that does not differ is not written.
const MERGE: &str = "MERGE INTO taxonomy AS t USING staged AS s ON t.slug = s.slug \
    WHEN MATCHED AND (t.remote_id, t.name, t.description, t.uses) IS DISTINCT FROM (s.remote_id, s.name, s.description, s.uses) \
    THEN UPDATE SET remote_id = s.remote_id, name = s.name, description = s.description, uses = s.uses, \
    updated_at = clock_timestamp() \
    WHEN NOT MATCHED THEN INSERT (remote_id, slug, name, description, uses, source) \
    VALUES (s.remote_id, s.slug, s.name, s.description, s.uses, s.source)";

#[derive(Debug)]
pub(crate) struct CopyMerge {
    pub(crate) pool: PgPool,
    /// Records of a transaction; `None`: all.
    pub(crate) chunk: Option<usize>,
}

impl CopyMerge {
    async fn merge(&self, records: &[Record]) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(CREATE).execute(&mut *tx).await?;
        let mut copy = tx.copy_in_raw("COPY staged FROM STDIN").await?;
        copy.send(text(records)).await?;
        copy.finish().await?;
        sqlx::query(MERGE).execute(&mut *tx).await?;
        tx.commit().await
    }
}

impl Contender for CopyMerge {
    fn name(&self) -> &'static str {
        match self.chunk {
            Some(_) => "copy-merge-chunks",
            None => "copy-merge",
        }
    }

    fn run(&self, records: Vec<Record>) -> Timed<'_> {
        Box::pin(timed(async move {
            for chunk in records.chunks(self.chunk.unwrap_or(records.len())) {
                self.merge(chunk).await?;
            }
            Ok::<_, sqlx::Error>(())
        }))
    }
}

/// Rows in `COPY`'s text format. What it would take for its own is escaped.
fn text(records: &[Record]) -> Vec<u8> {
    let mut rows = String::new();
    let escaped = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
    };
    let optional =
        |text: &Option<String>| text.as_deref().map_or_else(|| "\\N".to_owned(), escaped);
    for record in records {
        let _ = writeln!(
            rows,
            "{}\t{}\t{}\t{}\t{}\t{}",
            optional(&record.remote_id),
            escaped(&record.slug),
            escaped(&record.name),
            optional(&record.description),
            record.uses,
            escaped(&record.source),
        );
    }
    rows.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copy_would_take_for_its_own_is_escaped() {
        let record = Record {
            description: None,
            name: "a\tb\\c\nd".to_owned(),
            ..Record::new("s", 1, 0)
        };
        let rows = String::from_utf8(text(&[record])).unwrap();
        assert_eq!(
            rows,
            "s-remote-0000001\ts-slug-of-0000001\ta\\tb\\\\c\\nd\t\\N\t1\ts\n"
        );
    }
}
