//! The row, and the record that becomes one.

use serde_json::{Map, Value};
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::LockedUpsert;

/// A row of the table `taxonomy`.
///
/// The source's own id comes first: a record that keeps it is the same record, even if its slug was changed.
#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(remote_id, slug)]
pub(crate) struct Taxonomy {
    id: i64,
    #[upsert(trim)]
    remote_id: Option<String>,
    #[upsert(trim)]
    slug: String,
    name: String,
    description: Option<String>,
    parent: Option<String>,
    #[upsert(readonly)]
    created_at: DateTime<Utc>,
    #[upsert(touch)]
    updated_at: DateTime<Utc>,
}

impl Taxonomy {
    /// The value of a column that a record has.
    pub(crate) fn column(&self, name: &str) -> Option<&str> {
        match name {
            "remote_id" => self.remote_id.as_deref(),
            "slug" => Some(&self.slug),
            "name" => Some(&self.name),
            "description" => self.description.as_deref(),
            "parent" => self.parent.as_deref(),
            _ => None,
        }
    }
}

/// A record as the source tells it.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    remote_id: Option<String>,
    slug: String,
    name: String,
    description: Option<String>,
    parent: Option<String>,
}

impl From<Record> for NewTaxonomy {
    fn from(record: Record) -> Self {
        Self {
            remote_id: record.remote_id,
            slug: record.slug,
            name: record.name,
            description: record.description,
            parent: record.parent,
        }
    }
}

impl Record {
    /// Reads a line of JSON. The error is a cause to be shown and holds no value of the record.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        // serde_json would not look at the bytes of members that are ignored.
        let line = str::from_utf8(line).map_err(|_| "not UTF-8")?;
        // Not a derived `Deserialize`: its errors quote the value whose type is wrong, and do not name its field.
        let value = serde_json::from_str(line).map_err(|error| cause(&error))?;
        let Value::Object(mut members) = value else {
            return Err("not a JSON object".to_owned());
        };
        let record = Self {
            remote_id: text(&mut members, "remote_id")?,
            slug: required(&mut members, "slug")?,
            name: required(&mut members, "name")?,
            description: text(&mut members, "description")?,
            parent: text(&mut members, "parent")?,
        };
        // The column is not null, so a blank slug would be stored, and be the slug of the next such record too.
        if record.slug.trim().is_empty() {
            return Err("blank field `slug`".to_owned());
        }
        Ok(record)
    }
}

fn required(members: &mut Map<String, Value>, field: &str) -> Result<String, String> {
    text(members, field)?.ok_or_else(|| format!("missing field `{field}`"))
}

/// The text of a member; `None` if it is absent or null.
fn text(members: &mut Map<String, Value>, field: &str) -> Result<Option<String>, String> {
    let is = match members.remove(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(text)),
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    Err(format!("field `{field}` is {is}, not a string"))
}

/// What is wrong with the syntax, and where in the line.
fn cause(error: &serde_json::Error) -> String {
    // Each line is parsed by itself, so it is always the first.
    error
        .to_string()
        .replace(" at line 1 column ", " at column ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_members_may_be_absent_or_null() {
        let record = Record::parse(br#"{"slug":"a","name":"A","parent":null,"other":[1]}"#);
        let expected = Record {
            remote_id: None,
            slug: "a".to_owned(),
            name: "A".to_owned(),
            description: None,
            parent: None,
        };
        assert_eq!(record, Ok(expected));
    }

    #[test]
    fn causes_name_the_field_or_the_column_and_no_value() {
        let cases: [(&[u8], &str); 9] = [
            (br#"{"name":"A"}"#, "missing field `slug`"),
            (br#"{"slug":"a","name":null}"#, "missing field `name`"),
            (br#"{"slug":" ","name":"A"}"#, "blank field `slug`"),
            (
                br#"{"slug":4711,"name":"A"}"#,
                "field `slug` is a number, not a string",
            ),
            (
                br#"{"slug":"a","name":"A","parent":{"a":"secret"}}"#,
                "field `parent` is an object, not a string",
            ),
            (br#""secret""#, "not a JSON object"),
            (br#"["secret"]"#, "not a JSON object"),
            (br"secret", "expected value at column 1"),
            (
                b"{\"slug\":\"a\",\"name\":\"A\",\"x\":\"\xff\"}",
                "not UTF-8",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(Record::parse(line), Err(expected.to_owned()));
        }
    }
}
