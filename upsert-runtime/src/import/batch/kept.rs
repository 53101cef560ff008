//! Rows that are kept from the first reading to the second one, which needs not read them again then: it locks them, and asks whether they
//! are still of the version that was read.

use std::collections::HashMap;

use crate::backend::{Codec as _, Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::import::plan::Decision;
use crate::mapping::Mapping;
use crate::schema::Sql;
use crate::step::{Session, Statement};
use crate::value::Row;

use super::chunk::{Chunk, RowsByNumber};

/// Rows by their numbers in the identity map.
#[derive(Default)]
pub(crate) struct KeptRows {
    rows: HashMap<u32, KeptRow>,
    /// How many bytes their values are, as they came from the server.
    bytes: usize,
}

/// A row of which it is known what version it is.
pub(crate) struct KeptRow {
    pub(crate) row: Row,
    pub(crate) version: i64,
    pub(crate) bytes: usize,
}

impl KeptRows {
    /// What is kept at most: of a longer source the rows that come later are read again.
    const MOST_BYTES: usize = 32 << 20;

    /// Keeps a row, if there is room for it.
    pub(crate) fn keep(&mut self, number: u32, kept: KeptRow) {
        drop(self.take(number));
        if self.bytes + kept.bytes <= Self::MOST_BYTES {
            self.bytes += kept.bytes;
            self.rows.insert(number, kept);
        }
    }

    fn take(&mut self, number: u32) -> Option<KeptRow> {
        let kept = self.rows.remove(&number)?;
        self.bytes -= kept.bytes;
        Some(kept)
    }
}

impl<DB: Supported> Chunk<'_, DB> {
    /// Locks the rows of the chunk's records that were kept, in the order of their ids, and gives those that are still as they were. Only
    /// of records that stand alone: what others need of a row is looked up. Each is given once.
    pub(super) async fn lock_kept(
        &mut self,
        session: &mut Session<'_, DB>,
    ) -> Result<RowsByNumber, Error> {
        let mapping = self.mapping;
        let mut kept = HashMap::new();
        for group in self.groups.iter().filter(|group| group.is_alone()) {
            let record = group.members[0].record as usize;
            if let Decision::Row { row: number, .. } = self.plan.decisions[record]
                && let Some(KeptRow { row, version, .. }) = self.kept.take(number)
            {
                let failed = session.failed(Operation::Lock);
                let id = mapping.id_bytes(&row).map_err(failed)?;
                kept.insert(id, (number, row, version));
            }
        }
        let rows: Vec<&Row> = kept.values().map(|(_, row, _)| row).collect();
        let Some(version) = mapping.version().filter(|_| !rows.is_empty()) else {
            return Ok(RowsByNumber::new());
        };
        let failed = session.failed(Operation::Lock);
        let lock = DB::Driver::lock_clause(session.locking).unwrap_or_default();
        let lock = Statement::lock_versions(mapping, &rows, &version, lock).map_err(failed)?;
        let locked = session.fetch(lock).await.map_err(failed)?;
        let mut same = RowsByNumber::new();
        for locked in &locked {
            let id = DB::Driver::selected_bytes(locked, 0).map_err(failed)?;
            let version = DB::Driver::number(locked, 1).map_err(failed)?;
            let kept = kept.remove(&id.unwrap_or_default());
            if let Some((number, row, known)) = kept
                && version == Some(known)
            {
                same.insert(number, row);
            }
        }
        Ok(same)
    }
}

impl<DB: Supported> Statement<DB> {
    /// `SELECT "id", NULLIF("taxonomy".xmin::TEXT::INT8, 0) FROM "taxonomy" WHERE "id" = ANY($1::INT8[]) ORDER BY "id" FOR NO KEY UPDATE`
    fn lock_versions(
        mapping: Mapping<DB>,
        rows: &[&Row],
        version: &str,
        lock: &str,
    ) -> sqlx::Result<Self> {
        let Sql { from, names, .. } = mapping.sql();
        let id = names[mapping.model.id];
        let mut this = Self::of_many(format!("SELECT {id}, {version}{from} WHERE "));
        this.id_in(mapping, rows)?;
        this.push(&format!(" ORDER BY {id}{lock}"));
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: usize) -> KeptRow {
        KeptRow {
            row: Row::of(()),
            version: 1,
            bytes,
        }
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        const HALF: usize = KeptRows::MOST_BYTES / 2;
        let mut kept = KeptRows::default();
        for number in 0..3 {
            kept.keep(number, row(HALF));
        }
        assert!(kept.take(2).is_none());
        assert!(kept.take(0).is_some());
        assert!(kept.take(0).is_none());
        // What is taken makes room, and so does what is kept anew.
        kept.keep(3, row(HALF));
        kept.keep(1, row(HALF + 1));
        kept.keep(3, row(HALF - 1));
        kept.keep(1, row(HALF + 1));
        assert_eq!(kept.take(1).map(|kept| kept.bytes), Some(HALF + 1));
        assert_eq!(kept.bytes, HALF - 1);
    }
}
