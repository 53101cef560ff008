//! Several locked rows.

use std::fmt::{self, Debug, Formatter};
use std::iter::{Flatten, FusedIterator, Map};
use std::marker::PhantomData;
use std::slice::Iter;

use crate::calls::Backend;
use crate::in_transaction::InTransaction;
use crate::locking::Locking;
use crate::transaction::TransactionRef;
use crate::value::Row;

use super::slot::{Kept, Slot};
use super::{LockedRow, LockedUpsert};

/// The rows that are not taken out, in their type.
type Rows<'a, M> = Map<Flatten<Iter<'a, Option<Kept>>>, fn(&'a Kept) -> &'a M>;

/// Several rows that are locked in the transaction they borrow, in the order of the keys by which they were asked for; made
/// by the `many_by_…` methods of [`LockedUpsert::lock`](crate::LockedUpsert::lock).
///
/// ```
/// # use upsert_runtime::LockedUpsert;
/// # #[derive(Debug, Clone, PartialEq, LockedUpsert)]
/// # #[lookup(slug)]
/// # struct Taxonomy { id: i64, slug: String, uses: i64 }
/// # async fn example(pool: sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
/// let mut tx = upsert_runtime::begin(&pool).await?;
/// let mut rows = Taxonomy::lock().many_by_slug(&mut tx, ["rock", "soul"]).await?;
/// let total: i64 = rows.iter().map(|row| row.uses).sum();
/// for i in 0..rows.len() {
///     if let Some(mut row) = rows.get_mut(i) {
///         row.update_uses(total).await?;
///     }
/// }
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the rows stay locked until the transaction ends, used or not"]
pub struct LockedRows<'t, M, DB: Backend> {
    tx: TransactionRef<'t, DB>,
    /// Empty where a row was taken out.
    rows: Vec<Option<Kept>>,
    /// How many times the transaction or the connection was lent, by this or by one of the rows.
    lends: u64,
    locking: Locking,
    model: PhantomData<M>,
}

impl<'t, M: LockedUpsert, DB: Backend> LockedRows<'t, M, DB> {
    pub(super) fn new(tx: TransactionRef<'t, DB>, rows: Vec<Row>, locking: Locking) -> Self {
        Self {
            tx,
            rows: rows.into_iter().map(Kept::new).map(Some).collect(),
            lends: 0,
            locking,
            model: PhantomData,
        }
    }

    /// Lends the row at this place as `LockedTaxonomy`, one at a time; `None` behind the last one, and where a row was deleted
    /// or taken out (`into_row`).
    pub fn get_mut(&mut self, place: usize) -> Option<M::Locked<'_, DB>> {
        let row = self.rows.get_mut(place).filter(|row| row.is_some())?;
        let tx = self.tx.reborrow();
        Some(M::locked(LockedRow::new(
            tx,
            Slot::among(row, &mut self.lends),
            self.locking,
        )))
    }

    /// The connection, for other statements while the rows stay locked. Do not end the transaction on it.
    ///
    /// After it was lent, the next write of a row reads that row again first.
    pub fn connection(&mut self) -> &mut DB::Connection {
        self.lends += 1;
        self.tx.connection
    }

    /// The transaction, for further locks and upserts while these rows stay locked.
    ///
    /// After it was lent, the next write of a row reads that row again first.
    pub fn transaction(&mut self) -> &mut (dyn InTransaction<Database = DB> + 't) {
        self.lends += 1;
        &mut self.tx
    }

    /// The row at this place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&M> {
        self.rows.get(place)?.as_ref().map(opened)
    }

    /// How many places there are: the rows that were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows.
    #[must_use]
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = &M> + FusedIterator + Clone + use<'_, 't, M, DB> {
        self.into_iter()
    }

    /// The rows, which stay locked.
    #[must_use]
    pub fn into_rows(self) -> Vec<M> {
        let rows = self.rows.into_iter().flatten();
        rows.map(|kept| kept.row.into_inner()).collect()
    }
}

impl<'a, M: LockedUpsert, DB: Backend> IntoIterator for &'a LockedRows<'_, M, DB> {
    type Item = &'a M;
    type IntoIter = Rows<'a, M>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter().flatten().map(opened)
    }
}

fn opened<M: LockedUpsert>(kept: &Kept) -> &M {
    kept.row.open()
}

impl<M, DB: Backend> Debug for LockedRows<'_, M, DB> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedRows")
            .field("len", &self.rows.len())
            .field("locking", &self.locking)
            .finish_non_exhaustive()
    }
}
