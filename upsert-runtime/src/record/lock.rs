//! Rows found by a key and locked in the caller's transaction.

use crate::backend::Supported;
use crate::error::{Error, Operation};
use crate::mapping::{Mapping, Target};
use crate::schema::{KeyPath, RowKey};
use crate::step::Session;
use crate::transaction::{self, TransactionRef, UnitOfWork, check_support};
use crate::value::{KeyParts, New, Row};

/// The most keys of one call: what a statement of all three databases can hold, with time to spare.
pub(crate) const MOST_KEYS: usize = 500;

/// The transaction is given back beside what was locked, which is to borrow it.
type WithTransaction<'t, DB, T> = Result<(TransactionRef<'t, DB>, T), Error>;

/// Locks the row that has this key; without a key nothing is sent.
pub(crate) async fn lock_one<DB: Supported>(
    mut tx: TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    key: Option<RowKey>,
) -> WithTransaction<'_, DB, Option<Row>> {
    check_support::<DB>(locking, mapping.model.name)?;
    let Some(key) = key else {
        return Ok((tx, None));
    };
    let mut work = OneRow { mapping, key };
    let row = transaction::run_in(&mut tx, locking, &mut work).await?;
    Ok((tx, row))
}

/// Locks the row of creating data, and says by which look-up it was found.
pub(crate) async fn lock_new<DB: Supported>(
    mut tx: TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    new: New,
) -> WithTransaction<'_, DB, Option<(Row, &'static str)>> {
    mapping.check_usable(&new)?;
    let mut work = RowOfNew { mapping, new };
    let found = transaction::run_in(&mut tx, locking, &mut work).await?;
    Ok((tx, found))
}

/// Locks the rows that have these keys; a blank one is none.
pub(crate) async fn lock_many<DB: Supported>(
    mut tx: TransactionRef<'_, DB>,
    Target { mapping, locking }: Target<DB>,
    path: KeyPath,
    keys: Vec<Option<KeyParts>>,
) -> WithTransaction<'_, DB, Vec<Row>> {
    check_support::<DB>(locking, mapping.model.name)?;
    if keys.len() > MOST_KEYS {
        return Err(Error::Unsupported {
            model: Some(mapping.model.name),
            option: "more than 500 keys in one call",
            database: "this crate",
        });
    }
    let keys: Vec<_> = keys.into_iter().flatten().collect();
    if keys.is_empty() {
        return Ok((tx, Vec::new()));
    }
    let mut work = ManyRows {
        mapping,
        path,
        keys,
    };
    let rows = transaction::run_in(&mut tx, locking, &mut work).await?;
    Ok((tx, rows))
}

struct OneRow<DB: Supported> {
    mapping: Mapping<DB>,
    key: RowKey,
}

impl<DB: Supported> UnitOfWork<DB> for OneRow<DB> {
    type Output = Option<Row>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Option<Row>, Error> {
        session.one(self.key.path, &self.key.parts).await
    }
}

struct RowOfNew<DB: Supported> {
    mapping: Mapping<DB>,
    new: New,
}

impl<DB: Supported> UnitOfWork<DB> for RowOfNew<DB> {
    type Output = Option<(Row, &'static str)>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Self::Output, Error> {
        let mut found = session.find(&self.new).await?;
        if found.is_none() {
            found = session.look_again(&self.new).await?.found();
        }
        let Some(found) = found else {
            return Ok(None);
        };
        found.check_identity(self.mapping, &self.new)?;
        let matched_by = self.mapping.model.lookups[found.lookup].name;
        if !found.is_locked {
            let operation = Operation::LookUp { lookup: matched_by };
            return Err(Error::out_of_reach(session.at(operation)));
        }
        Ok(Some((found.row, matched_by)))
    }
}

struct ManyRows<DB: Supported> {
    mapping: Mapping<DB>,
    path: KeyPath,
    keys: Vec<KeyParts>,
}

impl<DB: Supported> UnitOfWork<DB> for ManyRows<DB> {
    type Output = Vec<Row>;

    fn mapping(&self) -> Mapping<DB> {
        self.mapping
    }

    async fn once(&mut self, session: &mut Session<'_, DB>) -> Result<Vec<Row>, Error> {
        session.many(self.path, &self.keys).await
    }
}
