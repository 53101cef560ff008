use sqlx::SqlStr;

use crate::backend::{Backend, Cause, Driver as _};
use crate::error::{Error, Operation, Step, cause};
use crate::lookup;
use crate::model::Stored;
use crate::session::Session;
use crate::statement;

/// What became of an INSERT.
pub(crate) enum Inserted<M> {
    Row(M),
    /// A unique index refused it. The error is missing where the statement was a quiet one.
    Refused(Option<Error>),
    /// The table has a constraint that no quiet statement can look out for. The transaction has failed.
    NotQuiet(Error),
}

/// Creates the row of `new`, quietly or else so that a refusal is an error.
pub(crate) async fn insert<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    new: &M::New,
    quiet: bool,
) -> Result<Inserted<M>, Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::Create);
    match send::<DB, M>(session, new, quiet).await {
        Ok(Some(row)) => Ok(Inserted::Row(row)),
        Ok(None) if quiet => Ok(Inserted::Refused(None)),
        // Neither a row nor an error: looking again would find nothing for ever.
        Ok(None) => Err(Error::of::<DB>(at, sqlx::Error::RowNotFound)),
        Err(source) => match cause::<DB>(&source) {
            Cause::Unique => Ok(Inserted::Refused(Some(Error::of::<DB>(at, source)))),
            Cause::NotQuiet if quiet => Ok(Inserted::NotQuiet(Error::of::<DB>(at, source))),
            _ => Err(Error::of::<DB>(at, source)),
        },
    }
}

/// Sends the INSERT and gives the row as the database stored it.
async fn send<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    new: &M::New,
    quiet: bool,
) -> sqlx::Result<Option<M>> {
    let (text, arguments) = statement::insert::<DB, M>(new, quiet)?;
    if !DB::Driver::sql(M::MODEL).returning.is_empty() {
        let rows = session.fetch(text, arguments).await?;
        let row = rows.first().map(M::decode).transpose()?;
        return match row {
            Some(row) if DB::Driver::READS_AGAIN => {
                lookup::read_again(session, &row).await.map(Some)
            }
            row => Ok(row),
        };
    }
    let done = session.execute(text, arguments).await?;
    let (text, arguments) = read_back::<DB, M>(new, DB::Driver::inserted_id(&done))?;
    let rows = session.fetch(SqlStr::from_static(text), arguments).await?;
    rows.first()
        .map(M::decode)
        .transpose()?
        .ok_or(sqlx::Error::RowNotFound)
        .map(Some)
}

/// What reads the row that was just inserted: its own id, else the number that the database gave it, else its first key.
fn read_back<DB: Backend, M: Stored<DB>>(
    new: &M::New,
    inserted_id: Option<DB::Arguments>,
) -> sqlx::Result<(&'static str, DB::Arguments)> {
    let model = M::MODEL;
    let sql = DB::Driver::sql(model);
    if model.created.contains(&model.id) {
        return Ok((sql.by_id, statement::arguments::<DB, M>(new, &[model.id])?));
    }
    if let Some(arguments) = inserted_id {
        return Ok((sql.by_id, arguments));
    }
    let mut keys = model.lookups.iter().zip(sql.find);
    let (key, find) = keys
        .find(|(key, _)| key.usable::<M>(new))
        .ok_or(sqlx::Error::RowNotFound)?;
    Ok((find, statement::arguments::<DB, M>(new, key.columns)?))
}
