//! What is upserted.

use serde::{Deserialize, Serialize};

/// A record of the source, and a row as far as the source says what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub(crate) struct Record {
    pub(crate) remote_id: Option<String>,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) uses: i64,
    /// Written on create alone. Here it says whose row it is.
    pub(crate) source: String,
}

impl Record {
    /// Record `n` of `source`, as the source has it in its version `version`.
    pub(crate) fn new(source: &str, n: usize, version: usize) -> Self {
        let described = !n.is_multiple_of(3);
        Self {
            remote_id: Some(format!("{source}-remote-{n:07}")),
            slug: format!("{source}-slug-of-{n:07}"),
            name: format!("A name as long as names are, {n}, version {version}"),
            description: described
                .then(|| format!("What there is to say about {n}, in one sentence of a source.")),
            uses: i64::try_from(n + version).unwrap_or_default(),
            source: source.to_owned(),
        }
    }

    /// Another record, for a round of its own.
    pub(crate) fn of_round(mut self, round: usize) -> Self {
        let round = format!("-{round:03}");
        self.slug.push_str(&round);
        if let Some(remote_id) = &mut self.remote_id {
            remote_id.push_str(&round);
        }
        self
    }

    pub(crate) fn without_remote_id(self) -> Self {
        Self {
            remote_id: None,
            ..self
        }
    }

    /// Whose row it is left out, so that the rows of two contenders can be compared.
    pub(crate) fn anonymous(self) -> Self {
        let cut = |key: String| {
            key.strip_prefix(&self.source)
                .map(str::to_owned)
                .unwrap_or(key)
        };
        Self {
            remote_id: self.remote_id.map(cut),
            slug: cut(self.slug),
            source: String::new(),
            ..self
        }
    }
}
