//! Rows and records in words, for tests that have a few of them.

use super::{Record, Row};

/// The keys `remote_id slug code position`; `-` is NULL, and so is what is left out.
fn keys(text: &str) -> Vec<Option<String>> {
    let key = |key: &str| (key != "-").then(|| key.to_owned());
    let mut keys: Vec<_> = text.split(' ').map(key).collect();
    keys.resize(4, None);
    keys
}

impl Row {
    /// A row with these keys, whose name is `old`.
    pub(crate) fn of(id: i64, text: &str) -> Self {
        Self {
            id,
            keys: keys(text),
            name: "old".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn named(self, name: &str) -> Self {
        let name = name.to_owned();
        Self { name, ..self }
    }

    pub(crate) fn version(self, version: i64) -> Self {
        let version = Some(version);
        Self { version, ..self }
    }

    pub(crate) fn locked(self) -> Self {
        let locked = true;
        Self { locked, ..self }
    }

    pub(crate) fn marked(self, at: u8) -> Self {
        let marked = Some(at);
        Self { marked, ..self }
    }
}

impl Record {
    /// A record with these keys, whose name is `new`.
    pub(crate) fn of(text: &str) -> Self {
        Self {
            keys: keys(text),
            name: "new".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn named(self, name: &str) -> Self {
        let name = name.to_owned();
        Self { name, ..self }
    }

    pub(crate) fn version(self, version: i64) -> Self {
        let version = Some(version);
        Self { version, ..self }
    }
}

/// `r1 s1 - - old` for each row, and `deleted` behind one that is marked.
pub(crate) fn in_words(rows: &[Row]) -> Vec<String> {
    let row = |row: &Row| {
        let keys = row.keys.iter().map(|key| key.as_deref().unwrap_or("-"));
        let keys = keys.collect::<Vec<_>>().join(" ");
        let deleted = if row.marked.is_some() { " deleted" } else { "" };
        format!("{keys} {}{deleted}", row.name)
    };
    rows.iter().map(row).collect()
}
