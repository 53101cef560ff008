//! Read, modify, write: a row is locked, changes are made of it and written, in a transaction of its own.

use crate::backend::Supported;
use crate::error::Error;
use crate::mapping::{Mapping, Target};
use crate::outcome::Upserted;
use crate::schema::RowKey;
use crate::step::{Session, Updated};
use crate::transaction::{self, Connections, Retry, UnitOfWork};
use crate::value::{Changes, Row};

/// Makes changes of a locked row; `None` refuses, and all is rolled back.
pub(crate) type MakeChanges<'f> = dyn FnMut(&Row) -> Option<Changes> + Send + 'f;

/// Modifies the row that has this key; without a key nothing is sent. `None` if there is no row, or its changes were refused.
pub(crate) async fn modify<DB: Supported>(
    connections: Connections<'_, DB>,
    retry: Retry,
    Target { mapping, locking }: Target<DB>,
    key: Option<RowKey>,
    changes: Box<MakeChanges<'_>>,
) -> Result<Option<Upserted<Row>>, Error> {
    let Some(key) = key else {
        return Ok(None);
    };
    let mut work = ReadModifyWrite {
        mapping,
        key,
        changes,
    };
    let modified = transaction::run(connections, retry, locking, &mut work).await?;
    Ok(match modified {
        Modified::Row(done) => Some(done),
        Modified::NoRow | Modified::Refused => None,
    })
}

/// What became of the row.
enum Modified {
    NoRow,
    Refused,
    Row(Upserted<Row>),
}

struct ReadModifyWrite<'f, DB: Supported> {
    mapping: Mapping<DB>,
    key: RowKey,
    changes: Box<MakeChanges<'f>>,
}

impl<DB: Supported> UnitOfWork<DB> for ReadModifyWrite<'_, DB> {
    type Output = Modified;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Modified, Error> {
        let Some(row) = session.one(self.key.path, &self.key.parts).await? else {
            return Ok(Modified::NoRow);
        };
        let Some(mut changes) = (self.changes)(&row) else {
            return Ok(Modified::Refused);
        };
        (self.mapping.fields.trim)(&mut changes);
        let updated = session.update(&row, &changes).await?;
        let matched_by = self.key.path.name(self.mapping.model);
        Ok(Modified::Row(Updated::or_unchanged(
            updated, row, matched_by,
        )))
    }

    fn stays(modified: &Modified) -> bool {
        !matches!(modified, Modified::Refused)
    }
}
