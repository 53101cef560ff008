//! The files of a crate, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Reference, join, references};
use super::rooms::{Rooms, TOP};

/// Modules that may name everything, as `lib.rs` may: what generated code names, and the guide.
const TOPS: [&str; 2] = ["__private", "guide"];

pub(crate) struct Tree {
    /// By module: the file's name and what is in it.
    files: BTreeMap<String, (String, String)>,
    /// With those that have only files below them.
    modules: BTreeSet<String>,
    /// The names that `lib.rs` re-exports, and the modules that it has them from.
    exports: BTreeMap<String, String>,
}

impl Tree {
    /// Of the files, by their names below `src`.
    pub(crate) fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files: BTreeMap<_, _> = files
            .into_iter()
            .map(|(name, source)| (module_of(&name), (name, source)))
            .collect();
        let modules = files.keys().flat_map(|module| with_outer(module)).collect();
        let mut tree = Self {
            files,
            modules,
            exports: BTreeMap::new(),
        };
        let exports = tree.references("").into_iter().map(|reference| {
            (
                reference.name.clone(),
                tree.module_in(&reference.absolute()).0,
            )
        });
        tree.exports = exports.collect();
        tree
    }

    /// What is wrong, a line each.
    pub(crate) fn problems(&self, rooms: &Rooms) -> Vec<String> {
        let mut problems = self.lists(rooms);
        for (module, (file, _)) in &self.files {
            if is_top(module) {
                continue;
            }
            for reference in self.references(module) {
                // A file without a room has been told.
                let Some(from) = rooms.of(&reference.module) else {
                    continue;
                };
                if let Some(problem) = self.problem(&reference, from, rooms) {
                    problems.push(format!("{file}:{}: {problem}", reference.line));
                }
            }
        }
        problems
    }

    /// Where the list and the files differ.
    fn lists(&self, rooms: &Rooms) -> Vec<String> {
        let modules = self.files.iter().filter(|(module, _)| !is_top(module));
        let homeless = modules
            .filter(|(module, _)| rooms.of(module).is_none())
            .map(|(_, (file, _))| format!("{file}: in no room of the list"));
        let empty = rooms
            .listed()
            .filter(|(_, listed)| !self.modules.contains(*listed))
            .map(|(_, listed)| format!("{listed}: a room without a file"));
        let mut seen = BTreeSet::new();
        let twice = rooms
            .listed()
            .filter(|(_, listed)| !seen.insert(*listed))
            .map(|(_, listed)| format!("{listed}: listed twice"));
        homeless.chain(empty).chain(twice).collect()
    }

    fn problem(&self, reference: &Reference, from: (usize, &str), rooms: &Rooms) -> Option<String> {
        let path = reference.path();
        let absolute = reference.absolute();
        let (module, rest) = self.module_in(&absolute);
        let module = match rest.first().map(String::as_str) {
            Some(name) if module.is_empty() && name != "*" => match self.exports.get(name) {
                Some(module) => module.clone(),
                None => return Some(format!("`{name}` is not re-exported ({path})")),
            },
            _ => module,
        };
        let to = if is_top(&module) {
            TOP
        } else {
            rooms.of(&module)?
        };
        (to.0 > from.0).then(|| format!("{} -> {} ({path})", from.1, to.1))
    }

    fn references(&self, module: &str) -> Vec<Reference> {
        let source = self
            .files
            .get(module)
            .map_or("", |(_, source)| source.as_str());
        references(source, module, &|module| self.modules.contains(module))
    }

    /// The longest beginning that is a module, and what is left.
    fn module_in<'p>(&self, absolute: &'p [String]) -> (String, &'p [String]) {
        let mut module = String::new();
        for (at, segment) in absolute.iter().enumerate() {
            let inner = join(&module, segment);
            if !self.modules.contains(&inner) {
                return (module, &absolute[at..]);
            }
            module = inner;
        }
        (module, &[])
    }
}

/// `import/plan.rs` and `import/plan/mod.rs` are `import::plan`; `lib.rs` is the root, the empty text.
fn module_of(file: &str) -> String {
    match file.strip_suffix(".rs").unwrap_or(file) {
        "lib" => String::new(),
        "private" => "__private".to_owned(),
        name => name.strip_suffix("/mod").unwrap_or(name).replace('/', "::"),
    }
}

fn is_top(module: &str) -> bool {
    let outermost = module.split("::").next();
    module.is_empty() || outermost.is_some_and(|name| TOPS.contains(&name))
}

/// `import::plan` and `import`.
fn with_outer(module: &str) -> Vec<String> {
    let ends = module.match_indices("::").map(|(end, _)| end);
    let ends = ends.chain([module.len()]);
    ends.map(|end| module[..end].to_owned()).collect()
}
