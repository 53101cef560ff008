//! `If-Match`: the versions of which one must be stored.

use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;

/// What a request asks of the row before it may be written.
pub(crate) enum Precondition {
    /// Nothing: there may be no row at all.
    Nothing,
    /// `*`: that there is one.
    Any,
    /// That it has one of these versions.
    OneOf(Vec<i64>),
}

impl Precondition {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(IF_MATCH).iter().peekable();
        if lines.peek().is_none() {
            return Self::Nothing;
        }
        // What is no ETag of this server matches no row of it.
        let tags: Vec<_> = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .collect();
        if tags == ["*"] {
            return Self::Any;
        }
        Self::OneOf(tags.into_iter().filter_map(version).collect())
    }

    /// Whether there must be a row.
    pub(crate) fn needs_row(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Whether a row of this version may be written.
    pub(crate) fn allows(&self, stored: i64) -> bool {
        match self {
            Self::Nothing | Self::Any => true,
            Self::OneOf(versions) => versions.contains(&stored),
        }
    }
}

/// The `ETag` of a version.
pub(crate) fn tag(version: i64) -> String {
    format!("\"{version}\"")
}

fn version(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok()
}
