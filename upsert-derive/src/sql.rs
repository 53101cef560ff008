//! A table to statements, per dialect. Plain text: nothing here knows tokens or a database.

/// A model as the database sees it. Columns are named by their places.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The table's name, with its schema before it or not.
    pub(crate) path: Vec<String>,
    /// The columns' names.
    pub(crate) columns: Vec<String>,
    pub(crate) id: usize,
    /// Bound by an INSERT.
    pub(crate) created: Vec<usize>,
    /// Set to the clock's time by an INSERT and an UPDATE.
    pub(crate) touched: Vec<usize>,
    /// Not NULL where a row is marked as deleted.
    pub(crate) deleted: Option<usize>,
    pub(crate) lookups: Vec<Vec<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    MySql,
    Sqlite,
}

/// The texts of one dialect; see the runtime's `Sql` for what each is.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) select: String,
    pub(crate) from: String,
    pub(crate) find: Vec<String>,
    pub(crate) by_id: String,
    pub(crate) insert: String,
    pub(crate) insert_touch: String,
    pub(crate) update: String,
    pub(crate) names: Vec<String>,
    pub(crate) touch: String,
    pub(crate) where_id: String,
    pub(crate) returning: Option<String>,
    pub(crate) write_lock: Option<String>,
}

impl Sql {
    pub(crate) fn of(table: &Table, dialect: Dialect) -> Self {
        let names: Vec<_> = table
            .columns
            .iter()
            .map(|name| dialect.quoted(name))
            .collect();
        let path: Vec<_> = table.path.iter().map(|part| dialect.quoted(part)).collect();
        let path = path.join(".");
        let id = &names[table.id];
        // Never `*`: a connection keeps the columns of a statement it has prepared.
        let list = names.join(", ");
        let select = format!("SELECT {list}");
        let from = format!(" FROM {path}");
        let find = |places: &[usize], limit: &str| {
            let equal = places
                .iter()
                .zip(1..)
                .map(|(&place, n)| format!("{} = {}", names[place], dialect.placeholder(n)));
            format!(
                "{select}{from} WHERE {}{limit}",
                equal.collect::<Vec<_>>().join(" AND ")
            )
        };
        let live = DeletedSql::of(table, dialect).map_or_else(String::new, |sql| sql.live);
        let now = dialect.now();
        // SQLite's schema can say what a conflict does (REPLACE deletes the other row); the statement has the last word.
        let or_abort = if dialect == Dialect::Sqlite {
            " OR ABORT"
        } else {
            ""
        };
        let touch = table
            .touched
            .iter()
            .map(|&place| format!(", {} = {now}", names[place]))
            .collect::<Vec<_>>()
            .concat();
        Self {
            // Two rows tell that a key is ambiguous; a third would be locked for nothing.
            find: table
                .lookups
                .iter()
                .map(|lookup| find(lookup, &format!("{live} LIMIT 2")))
                .collect(),
            by_id: find(&[table.id], ""),
            insert: {
                let columns = table
                    .created
                    .iter()
                    .chain(&table.touched)
                    .map(|&place| &*names[place]);
                format!(
                    "INSERT{or_abort} INTO {path} ({})",
                    columns.collect::<Vec<_>>().join(", ")
                )
            },
            insert_touch: format!(", {now}").repeat(table.touched.len()),
            update: format!("UPDATE{or_abort} {path} SET "),
            touch,
            where_id: format!(" WHERE {id} = "),
            returning: match dialect {
                // MySQL has none.
                Dialect::MySql => None,
                Dialect::Postgres | Dialect::Sqlite => Some(format!(" RETURNING {list}")),
            },
            write_lock: match dialect {
                Dialect::Postgres | Dialect::MySql => None,
                Dialect::Sqlite => Some(format!("UPDATE {path} SET {id} = {id} WHERE 0")),
            },
            select,
            from,
            names,
        }
    }
}

/// The texts of one dialect about rows that are marked as deleted; see the runtime's `DeletedSql`.
#[derive(Debug)]
pub(crate) struct DeletedSql {
    pub(crate) live: String,
    pub(crate) marked: String,
    pub(crate) last: String,
    pub(crate) mark: String,
    pub(crate) restore: String,
}

impl DeletedSql {
    /// `None` where rows are not marked.
    pub(crate) fn of(table: &Table, dialect: Dialect) -> Option<Self> {
        let column = dialect.quoted(&table.columns[table.deleted?]);
        let id = dialect.quoted(&table.columns[table.id]);
        Some(Self {
            live: format!(" AND {column} IS NULL"),
            marked: format!(" AND {column} IS NOT NULL"),
            last: format!(" ORDER BY {column} DESC, {id} DESC LIMIT 1"),
            mark: format!("{column} = {}", dialect.now()),
            restore: format!("{column} = NULL"),
        })
    }
}

impl Dialect {
    fn quoted(self, name: &str) -> String {
        // SQLite takes a name in double quotes that is no column for a text, without a word.
        let quote = match self {
            Self::MySql | Self::Sqlite => "`",
            Self::Postgres => "\"",
        };
        format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
    }

    fn placeholder(self, n: usize) -> String {
        match self {
            Self::Postgres => format!("${n}"),
            Self::MySql | Self::Sqlite => "?".to_owned(),
        }
    }

    /// The wall clock. PostgreSQL's `now()` is the transaction's start, and goes backwards after a wait for a lock.
    fn now(self) -> &'static str {
        match self {
            Self::Postgres => "clock_timestamp()",
            Self::MySql => "CURRENT_TIMESTAMP(6)",
            Self::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Table {
            path: names(&["music", "ta\"xo`nomy"]),
            columns: names(&["id", "site_id", "slug", "order", "created_at", "updated_at"]),
            id: 0,
            created: vec![1, 2, 3],
            touched: vec![5],
            deleted: None,
            lookups: vec![vec![3], vec![1, 2]],
        }
    }

    #[test]
    fn postgres() {
        insta::assert_debug_snapshot!(Sql::of(&table(), Dialect::Postgres));
    }

    #[test]
    fn a_row_that_is_marked_is_not_found() {
        let table = Table {
            columns: ["id", "slug", "deleted_at"].map(str::to_owned).to_vec(),
            created: vec![1],
            touched: vec![],
            deleted: Some(2),
            lookups: vec![vec![1]],
            ..table()
        };
        let dialects = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];
        let sql =
            dialects.map(|dialect| (Sql::of(&table, dialect), DeletedSql::of(&table, dialect)));
        insta::assert_debug_snapshot!(sql);
    }

    #[test]
    fn mysql() {
        insta::assert_debug_snapshot!(Sql::of(&table(), Dialect::MySql));
    }

    #[test]
    fn sqlite() {
        insta::assert_debug_snapshot!(Sql::of(&table(), Dialect::Sqlite));
    }
}
