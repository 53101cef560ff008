//! Rows as the database stored them, after a chunk was written.

use std::collections::{HashMap, HashSet};
use std::mem;

use crate::backend::codec::Bytes;
use crate::backend::{Dialect as _, Supported};
use crate::error::{Error, Operation};
use crate::locking::Locking;
use crate::mapping::Mapping;
use crate::schema::Sql;
use crate::step::{Session, Statement};
use crate::value::{New, Row};

use super::chunk::{Chunk, Manner, Member, Written};
use super::select::Among;
use super::write::RowUpdate;

impl<DB: Supported> Chunk<'_, DB> {
    /// Takes the rows that an UPDATE gave. A trigger may have kept one as it was, or given it another id: then its record fails. One
    /// that cannot be read is left out, as another trigger may yet mend it.
    pub(super) fn take_updated(
        &self,
        rows: &[DB::Row],
        updates: &[&RowUpdate],
        after: &mut HashMap<u32, Row>,
    ) -> sqlx::Result<()> {
        let mut unread = 0;
        let mut by_id = HashMap::with_capacity(rows.len());
        for row in rows {
            match self.mapping.decode(row) {
                Ok(row) => drop(by_id.insert(self.mapping.id_bytes(&row)?, row)),
                Err(_) => unread += 1,
            }
        }
        for update in updates {
            match by_id.remove(&self.mapping.id_bytes(&update.row)?) {
                Some(row) => drop(after.insert(update.record, row)),
                None if unread > 0 => unread -= 1,
                None => return Err(sqlx::Error::RowNotFound),
            }
        }
        Ok(())
    }

    /// Reads the rows that were updated, if somebody wants them, or if they may be others than were written and are not known. One
    /// that is not there, or cannot be read, fails its record, unless the UPDATE itself gave it.
    pub(super) async fn read_updated(
        &mut self,
        session: &mut Session<'_, DB>,
        updates: &[&RowUpdate],
        after: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let failed = session.failed(Operation::Update);
        let is_read = |update: &&&RowUpdate| {
            let Manner {
                reads_back,
                reads_updates,
                ..
            } = self.manner;
            reads_back || (reads_updates && !after.contains_key(&update.record))
        };
        let updates: Vec<&RowUpdate> = updates.iter().filter(is_read).copied().collect();
        // They are locked. A locking read may leave out what a policy lets nobody write any more; elsewhere a plain one may see a row
        // as a snapshot has it (MySQL, where the values that were written are those that somebody else had written before).
        let is_plain = DB::Driver::CAPABILITIES.hides_rows;
        let locking = Locking {
            is_plain,
            ..session.locking
        };
        for updates in updates.chunks(self.size(&[self.mapping.model.id])) {
            if let [update] = updates {
                self.culprit = Some(update.record);
            }
            let known: Vec<&Row> = updates.iter().map(|update| &update.row).collect();
            let read = Statement::lock_rows(self.mapping, &known, &[], locking).map_err(failed)?;
            let (mut by_id, mut unreadable) = (HashMap::new(), None);
            for row in &session.fetch(read).await.map_err(failed)? {
                match self.mapping.decode(row) {
                    Ok(row) => {
                        let id = self.mapping.id_bytes(&row).map_err(failed)?;
                        by_id.insert(id, row);
                    }
                    Err(error) => unreadable = Some(error),
                }
            }
            for update in updates {
                let id = self.mapping.id_bytes(&update.row).map_err(failed)?;
                if let Some(row) = by_id.remove(&id) {
                    after.insert(update.record, row);
                } else if !after.contains_key(&update.record) {
                    return Err(failed(unreadable.unwrap_or(sqlx::Error::RowNotFound)));
                }
            }
        }
        Ok(())
    }

    /// Reads rows that were created, and takes them.
    pub(super) async fn read_created(
        &mut self,
        session: &mut Session<'_, DB>,
        creates: &[&Member],
        after: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let mapping = self.mapping;
        let failed = session.failed(Operation::Refresh);
        for creates in creates.chunks(self.size(&mapping.lookup_columns())) {
            let wanted = Created::new(mapping, creates).map_err(failed)?;
            let mut rows = Vec::new();
            for (lookup, records) in mapping.model.lookups.iter().zip(&wanted.by_lookup) {
                if records.is_empty() {
                    continue;
                }
                // Without a lock: the rows are locked, and MariaDB would find a deadlock with who waits for one of them.
                let live = (lookup.columns, Among::Live);
                let find = Statement::find_by_key(mapping, live, records, (&[], None), None);
                rows.extend(self.read_all(session, find.map_err(failed)?).await?);
            }
            self.take_created(session, wanted, rows, after).await?;
        }
        Ok(())
    }

    /// Takes the rows that were created, and puts them into `after` if somebody wants them. A row whose keys the database has altered
    /// is refused.
    pub(super) async fn take_created(
        &mut self,
        session: &mut Session<'_, DB>,
        mut wanted: Created<'_>,
        rows: Vec<Row>,
        after: &mut HashMap<u32, Row>,
    ) -> Result<(), Error> {
        let mapping = self.mapping;
        let failed = session.failed(Operation::Refresh);
        let mut found: HashMap<u32, Vec<Row>> = HashMap::new();
        for row in rows {
            if let Some(record) = wanted.meet(mapping, &row).map_err(failed)? {
                found.entry(record).or_default().push(row);
            }
        }
        for (lookup, suspects) in mapping.model.lookups.iter().zip(wanted.not_met()) {
            session.check_keys(lookup, &suspects).await?;
        }
        if !self.manner.reads_back {
            return Ok(());
        }
        for member in wanted.members {
            // In a snapshot another row may still have a key of the record: then it is looked up under lock.
            let mut own = found.remove(&member.record).unwrap_or_default();
            let row = if own.len() == 1 {
                own.pop()
            } else {
                session.created(&member.new).await.map_err(failed)?
            };
            after.extend(row.map(|row| (member.record, row)));
        }
        Ok(())
    }

    /// The rows of a statement.
    async fn read_all(
        &mut self,
        session: &mut Session<'_, DB>,
        select: Statement<DB>,
    ) -> Result<Vec<Row>, Error> {
        let failed = session.failed(Operation::Refresh);
        let selected = session.fetch(select).await.map_err(failed)?;
        self.decode_all(session, &selected)
    }

    /// The rows that a statement gave. One that cannot be read is an error, once the others have been.
    pub(super) fn decode_all(
        &mut self,
        session: &Session<'_, DB>,
        selected: &[DB::Row],
    ) -> Result<Vec<Row>, Error> {
        let failed = session.failed(Operation::Refresh);
        let (mut rows, mut unreadable) = (Vec::with_capacity(selected.len()), None);
        for row in selected {
            match self.mapping.decode(row) {
                Ok(row) => rows.push(row),
                Err(error) => unreadable = Some(error),
            }
        }
        *self.is_readable |= !rows.is_empty();
        match unreadable {
            Some(error) => Err(self.unreadable(failed(error))),
            None => Ok(rows),
        }
    }

    /// Notes which record has a row that refers to nothing: the COMMIT, which will be refused for it, does not tell.
    pub(super) async fn note_dangling(
        &mut self,
        session: &mut Session<'_, DB>,
        written: &Written,
    ) -> Result<(), Error> {
        let mapping = self.mapping;
        let Sql { select, from, .. } = mapping.sql();
        let Some(is_dangling) = DB::Driver::is_dangling(from) else {
            return Ok(());
        };
        let failed = session.failed(Operation::Refresh);
        let find = Statement::planned(format!("{select}{from} WHERE {is_dangling}"));
        let mut dangling = HashSet::new();
        for row in self.read_all(session, find).await? {
            dangling.insert(mapping.id_bytes(&row).map_err(failed)?);
        }
        for settled in &written.records {
            let row = settled.after.as_ref().or(settled.before.as_ref());
            let id = row.map(|row| mapping.id_bytes(row)).transpose();
            if id.map_err(failed)?.is_some_and(|id| dangling.contains(&id)) {
                self.culprit = Some(settled.record);
                break;
            }
        }
        Ok(())
    }

    /// Whether a row of the table could be read.
    pub(super) fn reads(&self) -> bool {
        *self.is_readable || self.map.has_seen_a_row()
    }

    /// An error of creating a row or reading it. If no row could be read so far, one that cannot be is no record's fault but the
    /// table's: all records would fail, one by one.
    pub(super) fn unreadable(&self, error: Error) -> Error {
        match error {
            Error::Database { at, source, .. }
                if matches!(source, sqlx::Error::ColumnDecode { .. }) && !self.reads() =>
            {
                Error::of_table::<DB>(at, source)
            }
            error => error,
        }
    }
}

impl<DB: Supported> Session<'_, DB> {
    /// The row that was created of a record: by its own id, or by what the database calls its key.
    async fn created(&mut self, new: &New) -> sqlx::Result<Option<Row>> {
        let mapping = self.mapping;
        for way in self.ways_back(new, None) {
            if let [row] = &self.fetch(way.select?).await?[..] {
                return mapping.decode(row).map(Some);
            }
        }
        Ok(None)
    }
}

/// Records whose rows were created.
pub(super) struct Created<'r> {
    members: &'r [&'r Member],
    /// For each look-up, those of which it is the first that has a key.
    by_lookup: Vec<Vec<&'r New>>,
    /// For each look-up, the record that has this key, in bytes.
    by_key: Vec<HashMap<Vec<Bytes>, Sought<'r>>>,
}

/// A record that is sought by a key.
struct Sought<'r> {
    record: u32,
    new: &'r New,
    /// Whether a row with the key was met.
    is_met: bool,
}

impl<'r> Created<'r> {
    pub(super) fn new<DB: Supported>(
        mapping: Mapping<DB>,
        members: &'r [&'r Member],
    ) -> sqlx::Result<Self> {
        let mut this = Self {
            members,
            by_lookup: Vec::new(),
            by_key: Vec::new(),
        };
        let mut is_sought = vec![false; members.len()];
        for lookup in mapping.model.lookups {
            let (mut records, mut by_key) = (Vec::new(), HashMap::new());
            for (member, is_sought) in members.iter().zip(&mut is_sought) {
                if mapping.usable(lookup, &member.new) {
                    let columns = lookup.columns.iter();
                    let key = columns.map(|&column| mapping.bytes_of_new(&member.new, column));
                    let key = key.collect::<sqlx::Result<_>>()?;
                    let (record, new) = (member.record, &member.new);
                    let is_met = false;
                    by_key.insert(
                        key,
                        Sought {
                            record,
                            new,
                            is_met,
                        },
                    );
                    if !mem::replace(is_sought, true) {
                        records.push(new);
                    }
                }
            }
            this.by_lookup.push(records);
            this.by_key.push(by_key);
        }
        Ok(this)
    }

    /// Takes note of the keys of a row that was read. Gives the record that has one of them.
    fn meet<DB: Supported>(
        &mut self,
        mapping: Mapping<DB>,
        row: &Row,
    ) -> sqlx::Result<Option<u32>> {
        let mut first = None;
        for (lookup, by_key) in mapping.model.lookups.iter().zip(&mut self.by_key) {
            let columns = lookup.columns.iter();
            let key = columns.map(|&column| mapping.bytes_of_row(row, column));
            let key: Vec<Bytes> = key.collect::<sqlx::Result<_>>()?;
            if let Some(sought) = by_key.get_mut(&key) {
                sought.is_met = true;
                first = first.or(Some(sought.record));
            }
        }
        Ok(first)
    }

    /// For each look-up, the records whose key no row has in the bytes that were sent.
    fn not_met(&self) -> impl Iterator<Item = Vec<&'r New>> {
        self.by_key.iter().map(|by_key| {
            let not_met = by_key.values().filter(|sought| !sought.is_met);
            not_met.map(|sought| sought.new).collect()
        })
    }
}
