//! The modules of each crate are rooms one above the other, and a path leads down or stays: no arrow up, so no circle.
//!
//! The rooms stand in `ARCHITECTURE.md`, lowest first, in a block that begins with ```` ```text rooms CRATE ````. A room is a
//! module with all that is below it and not a room itself; modules joined by `+` are one room.

use std::fs;
use std::path::{Path, PathBuf};

mod paths;
mod rooms;
mod tree;

#[cfg(test)]
mod tests;

use self::rooms::Rooms;
use self::tree::Tree;

#[test]
fn upsert_derive_keeps_to_its_rooms() {
    keeps_to_its_rooms("upsert-derive");
}

#[test]
#[ignore = "its rooms are those of the tree that is being built"]
fn upsert_runtime_keeps_to_its_rooms() {
    keeps_to_its_rooms("upsert-runtime");
}

fn keeps_to_its_rooms(package: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let rooms = Rooms::of_document(&architecture, package);
    let source = root.join(package).join("src");
    let files = rust_files(&source).into_iter().map(|file| {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap();
        (name.replace('\\', "/"), fs::read_to_string(&file).unwrap())
    });
    let problems = Tree::new(files).problems(&rooms);
    assert!(
        problems.is_empty(),
        "{package}/src, {} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
