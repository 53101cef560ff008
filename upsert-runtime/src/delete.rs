use crate::backend::{Backend, Driver as _};
use crate::error::{Error, Operation, Step};
use crate::model::Stored;
use crate::session::Session;
use crate::statement;

/// Deletes the row, which must be locked.
pub(crate) async fn delete<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    row: &M,
) -> Result<(), Error> {
    let at = Step::new(Some(M::MODEL.name), Operation::Delete);
    send::<DB, M>(session, row)
        .await
        .map_err(|source| Error::of::<DB>(at, source))
}

async fn send<DB: Backend, M: Stored<DB>>(
    session: &mut Session<'_, DB>,
    row: &M,
) -> sqlx::Result<()> {
    let (text, arguments) = statement::delete::<DB, M>(row)?;
    let done = session.execute(text, arguments).await?;
    // A trigger or rule can keep a row without an error.
    if DB::Driver::affected(&done) == 0 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(())
}
