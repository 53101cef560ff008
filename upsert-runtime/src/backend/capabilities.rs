//! What a database can do, as data: one value a database, beside its texts, its codec and its error codes.

/// The facts by which databases differ. `None` where there is no such thing.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Capabilities {
    /// What a user calls the database.
    pub title: &'static str,

    /// Whether rows are locked one by one, so that other transactions can change rows while one of ours runs.
    pub locks_rows: bool,

    /// Whether a locking SELECT that finds rows by any key locks them in the order of its `ORDER BY`.
    pub locks_in_order: bool,

    /// Whether a locking read leaves rows out, without a word, that may be read but not written: row level security.
    pub hides_rows: bool,

    /// How many times in a row a create may be refused by a unique index, though no key finds a row, before it counts as a
    /// conflict and not as a lost race.
    pub refusals: u32,

    /// What makes an INSERT that meets a unique index insert nothing, without an error and without harm.
    pub quiet_insert: Option<&'static str>,

    /// Whether a row is read again after a write: there is no `RETURNING`, or it does not see what triggers do.
    pub reads_again: bool,

    /// Where one text may hold several statements with values, so that a row is read again by the one that writes it: what a created
    /// row's id is, behind its name, if there is one.
    pub reads_behind: Option<&'static str>,

    /// What stands around the columns that an INSERT gives, where only some of the servers know `RETURNING` and the others take it
    /// for a comment.
    pub may_return: Option<[&'static str; 2]>,

    /// Begins a transaction in which a locking read sees what others have committed meanwhile.
    pub begin: &'static str,

    /// The same in a transaction whose end is checked, as the caller may do in it what he likes, if that takes more.
    pub begin_checked: Option<&'static str>,

    /// Begins one on a connection that its holder goes on with: the first text, then the second. Where a ROLLBACK cannot be queued behind
    /// a BEGIN that is under way, nothing can be written in what the first one begins.
    pub begin_held: Option<[&'static str; 2]>,

    /// Gives a row where a transaction is open, for all that can be told, if BEGIN is not refused in one.
    pub within: Option<&'static str>,

    /// Fails if the transaction, which was begun to be checked, has been undone or has ended.
    pub check: Option<&'static str>,

    /// Succeeds, and begins a transaction, only where none is open; for a database whose other statements do not tell.
    pub begin_if_none: Option<&'static str>,

    /// Sets the savepoint of a call, and fails where no transaction is open.
    pub set_savepoint: &'static str,

    /// Gives a row where the transaction reads from a snapshot of its beginning, locking reads included.
    pub snapshot: Option<&'static str>,

    /// Whether the count of rows that an UPDATE gives is that of the rows that it found, even if it changed nothing in them. Else
    /// it says nothing.
    pub counts_updates: bool,

    /// Whether a connection can be used after a call on it was dropped in flight: the database runs in this process and
    /// finishes the call.
    pub survives_drop: bool,

    /// Whether a limit of waiting must be set before BEGIN, which waits for a lock, and put back after the transaction's end.
    pub limits_begin: bool,

    /// Whether many values can be sent as one: an array for each column, whatever their number.
    pub arrays: bool,

    /// Whether statements of many rows come in few sizes, and are kept prepared: where a text has a place for each value, to prepare it
    /// costs more than to run it.
    pub few_sizes: bool,

    /// The most values that one statement takes.
    pub most_values: usize,

    /// With what one record is looked for and written without a transaction around it.
    pub alone: Option<Alone>,
}

/// Expressions of statements that are each a transaction of their own.
#[derive(Debug, Clone, Copy)]
#[expect(unnameable_types, reason = "only this crate names it")]
pub struct Alone {
    /// Whether the transaction, for all that can be told, is this statement's own, and reads what is committed.
    pub is_own: &'static str,

    /// Marks the transaction.
    pub mark: &'static str,

    /// Whether the transaction is not one that was marked.
    pub is_unmarked: &'static str,

    /// What tells a version of a row from every other one, behind the table's name and a dot; 0 where the table has no versions.
    pub version: &'static str,

    /// Behind a value: its text, which is compared byte by byte.
    pub text: &'static str,
}
