//! The rooms of a crate, lowest first.

/// A room higher than all: what may name everything and be named by nobody.
pub(crate) const TOP: (usize, &str) = (usize::MAX, "the top");

/// Each room is the modules that it is made of: `["check", "column"]`, `["import::plan"]`.
pub(crate) struct Rooms(Vec<Vec<String>>);

impl Rooms {
    /// White space separates rooms, `+` joins modules into one.
    pub(crate) fn new(list: &str) -> Self {
        let modules = |room: &str| room.split('+').map(str::to_owned).collect();
        Self(list.split_whitespace().map(modules).collect())
    }

    /// The list that stands in a fenced block of `document`.
    pub(crate) fn of_document(document: &str, package: &str) -> Self {
        let fence = format!("```text rooms {package}");
        let list: Vec<&str> = document
            .lines()
            .skip_while(|line| *line != fence)
            .skip(1)
            .take_while(|line| *line != "```")
            .collect();
        assert!(!list.is_empty(), "no rooms after a line `{fence}`");
        Self::new(&list.join("\n"))
    }

    /// The place of the room that `module` is in, and the module of the list that says so: the longest one.
    pub(crate) fn of(&self, module: &str) -> Option<(usize, &str)> {
        self.listed()
            .filter(|(_, listed)| is_within(module, listed))
            .max_by_key(|(_, listed)| listed.len())
    }

    /// Every module of the list, with the place of its room.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (usize, &str)> {
        let rooms = self.0.iter().enumerate();
        rooms.flat_map(|(place, room)| room.iter().map(move |module| (place, module.as_str())))
    }
}

fn is_within(module: &str, outer: &str) -> bool {
    let rest = module.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
