//! What a chunk writes: deletes, updates, inserts, in this order.

use std::collections::HashMap;

use crate::backend::Backend;
use crate::error::{Error, Operation, Step};
use crate::field::Bytes;
use crate::model::{LockedUpsert, Stored};
use crate::session::Session;
use crate::update::differing;
use crate::upsert::Outcome;

use super::chunk::{Chunk, Member, Rows, Settled, Written};
use super::plan::Decision;
use super::read;
use super::statement::{self, Many, Write};

impl<M: LockedUpsert> Chunk<'_, '_, M> {
    /// Writes what differs. The rows are locked.
    pub(super) async fn write<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        mut rows: Rows<M>,
    ) -> Result<Written<M>, Error>
    where
        M: Stored<DB>,
    {
        let units = self.units;
        let mut settled = Vec::new();
        let mut writes = Vec::new();
        let mut creates: Vec<&Member<M::New>> = Vec::new();
        let to_write = units.iter().filter(|unit| !unit.is_witness);
        for member in to_write.flat_map(|unit| &unit.members) {
            match self.plan.decisions[member.record as usize] {
                Decision::Row { row, lookup } => {
                    let Some(stored) = rows.remove(&row) else {
                        continue;
                    };
                    let matched_by = M::MODEL.lookups[usize::from(lookup)].name;
                    let changes = changes::<M>(member);
                    let columns = differing(&stored, &changes);
                    if columns.is_empty() {
                        settled.push(Settled {
                            record: member.record,
                            row: Some(row),
                            outcome: Outcome::Unchanged { matched_by },
                            before: None,
                            after: Some(stored),
                        });
                    } else {
                        let write = Write {
                            record: member.record,
                            row_number: row,
                            row: stored,
                            changes,
                            columns,
                        };
                        writes.push((write, matched_by));
                    }
                }
                Decision::Create => creates.push(member),
                _ => {}
            }
        }
        let given_away = units.iter().flat_map(|unit| &unit.given_away);
        let deleted: Vec<(u32, M)> = given_away
            .filter_map(|&row| Some((row, rows.remove(&row)?)))
            .collect();
        self.delete(session, &deleted).await?;
        let refs: Vec<&Write<M>> = writes.iter().map(|(write, _)| write).collect();
        self.update(session, &refs).await?;
        self.insert(session, &mut creates).await?;
        let mut after = if self.reads_back {
            self.read_back(session, &refs, &creates).await?
        } else {
            HashMap::new()
        };
        for (write, matched_by) in writes {
            settled.push(Settled {
                record: write.record,
                row: Some(write.row_number),
                outcome: Outcome::Updated {
                    matched_by,
                    changed: read::names::<M>(&write.columns),
                },
                before: Some(write.row),
                after: after.remove(&write.record),
            });
        }
        for member in creates {
            settled.push(Settled {
                record: member.record,
                row: None,
                outcome: Outcome::Created,
                before: None,
                after: after.remove(&member.record),
            });
        }
        Ok(Written {
            records: settled,
            deleted,
        })
    }

    /// Deletes rows whose keys are needed. One that the database will not delete keeps them.
    async fn delete<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        rows: &[(u32, M)],
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Delete);
        for rows in rows.chunks(self.size::<DB>(1)) {
            if let [(row, _)] = rows {
                self.culprit = self.who_needs(*row);
            }
            let refs: Vec<&M> = rows.iter().map(|(_, row)| row).collect();
            let many = statement::delete::<DB, M>(&refs);
            send::<DB>(session, many, rows.len(), at)
                .await
                .map_err(as_conflict)?;
        }
        Ok(())
    }

    /// A record that needs a key of this row.
    fn who_needs(&mut self, row: u32) -> Option<u32> {
        let records: Vec<u32> = self.members().map(|member| member.record).collect();
        records.into_iter().find(|&record| {
            let own = match self.plan.decisions[record as usize] {
                Decision::Row { row, .. } => Some(row),
                _ => None,
            };
            let last = self.world.last_values(record, own);
            (0..self.world.keys.lookups()).any(|lookup| {
                let key = self.world.keys.unique(lookup, &last);
                self.world.holder(lookup, key) == Some(row)
            })
        })
    }

    /// Creates rows, in the order of their keys: unsorted, two importers would deadlock.
    async fn insert<DB: Backend>(
        &mut self,
        session: &mut Session<'_, DB>,
        members: &mut Vec<&Member<M::New>>,
    ) -> Result<(), Error>
    where
        M: Stored<DB>,
    {
        let at = Step::new(Some(M::MODEL.name), Operation::Create);
        let key = |member: &&Member<M::New>| {
            let columns = self.world.keys.columns.iter();
            let bytes = columns.map(|&column| M::new_column(column, Bytes(&*member.new)));
            // A value that cannot be encoded is told by the statement.
            bytes.map(Result::unwrap_or_default).collect::<Vec<_>>()
        };
        members.sort_by_cached_key(key);
        for members in members.chunks(self.size::<DB>(M::MODEL.created.len())) {
            if let [member] = members {
                self.culprit = Some(member.record);
            }
            let records: Vec<&M::New> = members.iter().map(|member| &*member.new).collect();
            let many = statement::insert::<DB, M>(&records);
            send::<DB>(session, many, members.len(), at).await?;
        }
        Ok(())
    }

    /// How many rows one statement writes that binds so many values for each.
    pub(super) fn size<DB: Backend>(&self, values: usize) -> usize
    where
        M: Stored<DB>,
    {
        if self.one_by_one {
            return 1;
        }
        statement::most_rows::<DB, M>(values)
    }
}

/// What a record sets.
pub(super) fn changes<M: LockedUpsert>(member: &Member<M::New>) -> M::Changes {
    let mut changes: M::Changes = (*member.new).clone().into();
    M::normalize_changes(&mut changes);
    changes
}

/// Sends a statement that writes so many rows.
pub(super) async fn send<DB: Backend>(
    session: &mut Session<'_, DB>,
    many: sqlx::Result<Many<DB>>,
    rows: usize,
    at: Step,
) -> Result<(), Error> {
    let failed = |source| Error::of::<DB>(at, source);
    let Many {
        text,
        arguments,
        keep_prepared,
    } = many.map_err(failed)?;
    let affected = session
        .execute_many(text, arguments, keep_prepared)
        .await
        .map_err(failed)?;
    // A trigger or rule can keep a row from being written without an error.
    if affected == rows as u64 {
        Ok(())
    } else {
        Err(failed(sqlx::Error::RowNotFound))
    }
}

/// A key that its row cannot give away is one that it holds.
pub(super) fn as_conflict(error: Error) -> Error {
    match error {
        Error::Database {
            at,
            about_record: true,
            source,
            ..
        } => Error::Conflict {
            at,
            constraint: None,
            source: Some(source),
        },
        error => error,
    }
}
