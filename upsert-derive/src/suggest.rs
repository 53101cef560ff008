//! Nearest names, for messages.

/// What to write instead of `name`: the nearest that is known, else all of them.
pub(crate) fn help(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("help: did you mean `{near}`?"),
        None => format!("help: expected one of {}", list(known.iter().copied())),
    }
}

/// The nearest name, if one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // rustc's own threshold: without one, nonsense is offered.
    let limit = (name.chars().count() / 3).max(1);
    let near = known
        .into_iter()
        .map(|known| (distance(name, known), known));
    near.filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, known)| known)
}

/// The names in backticks and with commas.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_near_and_nothing_else() {
        assert_eq!(
            nearest("remot_id", ["slug", "remote_id"]),
            Some("remote_id")
        );
        assert_eq!(nearest("slgu", ["remote_id", "slug"]), Some("slug"));
        assert_eq!(nearest("tabel", ["table", "crate"]), Some("table"));
        assert_eq!(nearest("parent", ["remote_id", "slug"]), None);
    }
}
