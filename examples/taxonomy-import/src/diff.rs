//! What a dry run would change, for people.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use upsert_runtime::RowChange;

use crate::model::Model;
use crate::report::unless_closed;

/// Longer values are cut off.
const MOST_CHARACTERS: usize = 80;

/// Prints the touched rows: `+` for a created one, `~` for an updated one and its columns, `-` for one that was deleted or marked. In colour
/// where stdout is a terminal, unless `NO_COLOR` is set.
pub(crate) fn print<M: Model>(changes: &[RowChange<M>]) -> io::Result<()> {
    let mut text = String::new();
    for change in changes {
        // Writing to a `String` cannot fail.
        let _ = match (&change.before, &change.after) {
            (None, Some(row)) => line(&mut text, AnsiColor::Green, "+", row),
            (Some(row), None) => line(&mut text, AnsiColor::Red, "-", row),
            (Some(_), Some(row)) => line(&mut text, AnsiColor::Yellow, "~", row),
            (None, None) => Ok(()),
        };
        if let (Some(before), Some(after)) = (&change.before, &change.after) {
            for column in &change.changed {
                let (old, new) = (shown(before.column(column)), shown(after.column(column)));
                let _ = writeln!(text, "  {column}: {old} → {new}");
            }
        }
    }
    // It leaves the colours out where nobody sees them.
    let mut out = anstream::stdout();
    unless_closed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn line<M: Model>(text: &mut String, color: AnsiColor, sign: &str, row: &M) -> std::fmt::Result {
    let style: Style = color.on_default();
    let slug = shown(row.column("slug"));
    writeln!(text, "{style}{sign} {slug}{style:#}")
}

/// A value that cannot play tricks on a terminal.
fn shown(value: Option<Cow<'_, str>>) -> String {
    let Some(value) = value else {
        return "∅".to_owned();
    };
    let mut characters = value.chars();
    let mut shown = String::new();
    for character in characters.by_ref().take(MOST_CHARACTERS) {
        if character.is_control() {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_cut_off() {
        assert_eq!(shown(None), "∅");
        assert_eq!(shown(Some("a\u{1b}[2Jb".into())), "a\\u{1b}[2Jb");
        let long = shown(Some("x".repeat(81).into()));
        assert_eq!((long.chars().count(), long.ends_with('…')), (81, true));
    }
}
