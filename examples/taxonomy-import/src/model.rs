//! The row, and the record that becomes one.

use std::borrow::Cow;

use serde_json::{Map, Value};
use sqlx::types::chrono::{DateTime, Utc};
use upsert_runtime::LockedUpsert;

/// A row of the table `taxonomy`, whichever of its columns are there.
pub(crate) trait Model: LockedUpsert<New: From<Record>> {
    /// The value of a column that can change.
    fn column(&self, name: &str) -> Option<Cow<'_, str>>;

    /// Whether an editor has locked it.
    fn is_locked(&self) -> bool {
        false
    }
}

/// A model of the table. The attribute `newer` is a model's own, so whether versions are compared is a choice between two.
macro_rules! model {
    (
        $(#[$about:meta])*
        $module:ident [$($(#[$version_is:meta])* $version:ident, $locked:ident, $deleted:ident)?]
    ) => {
        $(#[$about])*
        pub(crate) mod $module {
            use std::borrow::Cow;

            use sqlx::types::chrono::{DateTime, Utc};
            use upsert_runtime::LockedUpsert;

            use super::{Model, Record};

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
                $(
                    $(#[$version_is])*
                    $version: Option<DateTime<Utc>>,
                    // An editor's: no import writes it.
                    #[upsert(readonly)]
                    $locked: bool,
                    #[upsert(deleted)]
                    $deleted: Option<DateTime<Utc>>,
                )?
                #[upsert(readonly)]
                created_at: DateTime<Utc>,
                #[upsert(touch)]
                updated_at: DateTime<Utc>,
            }

            impl Model for Taxonomy {
                fn column(&self, name: &str) -> Option<Cow<'_, str>> {
                    match name {
                        "remote_id" => self.remote_id.as_deref().map(Cow::from),
                        "slug" => Some(Cow::from(&self.slug)),
                        "name" => Some(Cow::from(&self.name)),
                        "description" => self.description.as_deref().map(Cow::from),
                        "parent" => self.parent.as_deref().map(Cow::from),
                        $(
                            "source_updated_at" => self.$version.map(|time| time.to_rfc3339().into()),
                            "deleted_at" => self.$deleted.map(|time| time.to_rfc3339().into()),
                        )?
                        _ => None,
                    }
                }

                $(
                    fn is_locked(&self) -> bool {
                        self.$locked
                    }
                )?
            }

            impl From<Record> for NewTaxonomy {
                fn from(record: Record) -> Self {
                    Self {
                        remote_id: record.remote_id,
                        slug: record.slug,
                        name: record.name,
                        description: record.description,
                        parent: record.parent,
                        $($version: record.source_updated_at,)?
                    }
                }
            }
        }
    };
}

model! {
    /// An older version never overwrites a newer one.
    by_version [#[upsert(newer)] source_updated_at, locked, deleted_at]
}

model! {
    /// The last version that comes is the one that counts.
    plain [source_updated_at, locked, deleted_at]
}

model! {
    /// A table that was made before there were rules.
    old_table []
}

/// A record as the source tells it.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    remote_id: Option<String>,
    slug: String,
    name: String,
    description: Option<String>,
    parent: Option<String>,
    source_updated_at: Option<DateTime<Utc>>,
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
            source_updated_at: time(&mut members, "source_updated_at")?,
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

/// The time of a member, to the microsecond: what is finer no server stores, and would be newer than itself each time.
fn time(members: &mut Map<String, Value>, field: &str) -> Result<Option<DateTime<Utc>>, String> {
    let Some(text) = text(members, field)? else {
        return Ok(None);
    };
    let time = DateTime::parse_from_rfc3339(&text).ok();
    let time = time.and_then(|time| DateTime::from_timestamp_micros(time.timestamp_micros()));
    time.map(Some)
        .ok_or_else(|| format!("field `{field}` is no RFC 3339 time"))
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
            source_updated_at: None,
        };
        assert_eq!(record, Ok(expected));
    }

    #[test]
    fn a_version_is_kept_to_the_microsecond_that_servers_store() {
        let time = |text: &str| {
            let line = format!(r#"{{"slug":"a","name":"A","source_updated_at":"{text}"}}"#);
            Record::parse(line.as_bytes()).unwrap().source_updated_at
        };
        let fine = time("2026-02-01T10:00:00.123456789+01:00");
        assert_eq!(fine, time("2026-02-01T09:00:00.123456Z"));
        assert!(fine.is_some());
    }

    #[test]
    fn causes_name_the_field_or_the_column_and_no_value() {
        let cases: [(&[u8], &str); 10] = [
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
            (
                br#"{"slug":"a","name":"A","source_updated_at":"secret"}"#,
                "field `source_updated_at` is no RFC 3339 time",
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
